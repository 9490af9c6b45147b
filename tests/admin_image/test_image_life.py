# SPDX-License-Identifier: Apache-2.0
"""The real image: how it starts, fails and ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from admin_image.spec import DoorSpec
from tests.admin_image.door import Door, podman

pytestmark = pytest.mark.engine


def _descends(pid: int) -> list[str]:
    listing = subprocess.run(
        ("ps", "--no-headers", "-o", "pid,comm", "--ppid", str(pid)),
        capture_output=True,
        text=True,
        check=False,
    )
    return listing.stdout.split("\n")


def test_the_host_key_is_the_same_after_a_restart(image: str, tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.phase()
        before = (tmp_path / "state/ssh/ssh_host_ed25519_key").read_bytes()
    (tmp_path / "run/phase.json").unlink()
    with Door(tmp_path) as door:
        assert door.phase().phase == "open"
        assert before == (tmp_path / "state/ssh/ssh_host_ed25519_key").read_bytes()


def test_the_same_container_can_be_started_again(image: str, tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.phase()
        podman("stop", "--time=10", door.name)
        (tmp_path / "run/phase.json").unlink()
        podman("start", door.name)
        assert door.phase().phase == "open", door.logs()
        assert door.ssh("sudo id -u").stdout == "0\n"


def test_a_damaged_host_key_is_replaced_with_a_warning(image: str, tmp_path: Path) -> None:
    (tmp_path / "state/ssh").mkdir(parents=True)
    (tmp_path / "state/ssh/ssh_host_ed25519_key").touch()
    with Door(tmp_path) as door:
        phase = door.phase()
        assert phase.phase == "open"
        assert "damaged" in phase.warnings[0]


def test_a_termination_ends_sessions_and_what_they_left(image: str, tmp_path: Path) -> None:
    both = {"9871", "9872"}
    with Door(tmp_path) as door:
        door.phase()
        with subprocess.Popen(door.ssh_command("sleep 9871"), stdin=subprocess.DEVNULL) as session:
            door.ssh("setsid nohup sleep 9872 >/dev/null 2>&1 </dev/null &")
            assert _sleeping(both) == both
            start = time.monotonic()
            podman("kill", "--signal=TERM", door.name)
            assert door.exit_status() == 0
            assert time.monotonic() - start < 15  # podman's own two starts are in it
            assert session.wait(20) == 255
        assert _sleeping(set()) == set()


def test_a_door_without_sshd_ends_and_says_so(image: str, tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        pid = door.phase().pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        assert door.exit_status() == 1
        assert door.phase().code == "door.sshd-died"


def test_a_supervisor_that_was_killed_leaves_no_listening_sshd(image: str, tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        os.kill(door.phase().pid, signal.SIGKILL)
        door.exit_status()
        end = time.monotonic() + 5
        while time.monotonic() < end and _answers(door.spec.port):
            time.sleep(0.05)
        assert not _answers(door.spec.port)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "door.spec"),
        ("{", "door.spec"),
        ('{"contract": 9}', "door.spec"),
        ('{"contract": 1, "port": "many"}', "door.spec"),
        (DoorSpec(user="root").to_json(), "door.spec"),
        (DoorSpec(user="sshd").to_json(), "door.spec"),
        (DoorSpec(listen="127.0.0.1", port=2, ciphers=("rot13",)).to_json(), "door.sshd-config"),
    ],
    ids=["empty", "truncated", "another contract", "wrong type", "root", "sshd", "no such cipher"],
)
def test_a_spec_that_cannot_be_is_refused_by_code(
    image: str, tmp_path: Path, text: str, code: str
) -> None:
    door = Door(tmp_path)
    door.write("spec.json", text)
    with _started(door):
        phase = door.phase()
        assert (phase.phase, phase.code) == ("failed", code)
        assert phase.message
        assert door.exit_status() == 1


def test_keys_that_sshd_could_not_read_as_the_user_are_refused(image: str, tmp_path: Path) -> None:
    door = Door(tmp_path)
    (tmp_path / "run/authorized_keys").chmod(0o600)
    with door:
        assert (door.phase().phase, door.phase().code) == ("failed", "door.spec")
        assert "authorized_keys" in door.phase().message


def test_a_taken_port_is_refused_by_the_name_of_its_holder(image: str, tmp_path: Path) -> None:
    door = Door(tmp_path)
    with socket.create_server(("127.0.0.1", door.spec.port)), door:
        phase = door.phase()
        assert phase.code == "door.port-busy"
        assert f"(pid {os.getpid()})" in phase.message


def test_a_mount_that_appears_on_the_host_is_sealed_at_once(image: str, tmp_path: Path) -> None:
    door = Door(tmp_path)
    with _shared(tmp_path / "host") as host:
        (host / "etc").mkdir()
        (host / "late disk").mkdir()
        door.host = host
        with door:
            assert door.phase().phase == "open", door.logs()
            subprocess.run(("mount", "-t", "tmpfs", "none", host / "late disk"), check=True)
            end = time.monotonic() + 5
            while time.monotonic() < end and "sealed what was mounted" not in door.logs():
                time.sleep(0.05)
            assert (
                door.ssh("sudo touch '/host/late disk/x' 2>&1")
                .stdout.strip()
                .endswith("Read-only file system")
            )
            (host / "late disk" / "the host writes").touch()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _sleeping(wanted: set[str]) -> set[str]:
    """Who sleeps: as soon as it is whom the test wants, or else in the end."""
    end = time.monotonic() + 20
    while (found := _sleepers()) != wanted and time.monotonic() < end:
        time.sleep(0.1)
    return found


def _sleepers() -> set[str]:
    listing = subprocess.run(
        ("ps", "-eo", "args"), capture_output=True, text=True, check=True
    ).stdout
    return {line.split()[-1] for line in listing.splitlines() if line.startswith("sleep 987")}


class _started:  # noqa: N801 - reads as a word
    def __init__(self, door: Door) -> None:
        self.door = door

    def __enter__(self) -> None:
        self.door.start()

    def __exit__(self, *_: object) -> None:
        self.door.__exit__()


class _shared:  # noqa: N801 - reads as a word
    """A tree whose mounts propagate, as systemd makes those of a host."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Path:
        self.path.mkdir()
        subprocess.run(("mount", "-t", "tmpfs", "none", self.path), check=True)
        subprocess.run(("mount", "--make-shared", self.path), check=True)
        return self.path

    def __exit__(self, *_: object) -> None:
        subprocess.run(("umount", "--recursive", self.path), check=True)
