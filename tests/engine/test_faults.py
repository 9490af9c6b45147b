# SPDX-License-Identifier: Apache-2.0
"""Bad input and faults on the real engines: a clear error, the documented status, nothing left.

HATCHWAY_MOMENTS=10 pytest tests/engine/test_faults.py    (cut off at so many moments of a start)
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from launcher import door as doors
from launcher import proc, tcp
from launcher.runtimes import conmon
from tests.engine import killed_podman
from tests.engine.door import DoorCommand, Finished, free_port

pytestmark = pytest.mark.engine

# Seconds after which a start is cut off: from Python's own start to a door that is proven. The
# first come first: each asks for another state, and all take four minutes on three engines.
MOMENTS = (0.25, 0.45, 0.65, 1.0, 0.05, 0.35, 0.55, 0.8, 0.15, 1.3)[
    : int(os.environ.get("HATCHWAY_MOMENTS", "4"))
]


def start_and_signal(door: DoorCommand, after: float, number: int) -> int:
    """Start a door, send the launcher a signal after a while, and give its exit status."""
    # Messages go to the test's own output, which shows them when the test fails.
    argv = door.start_argv()
    with subprocess.Popen(argv, start_new_session=True, stdout=subprocess.PIPE, text=True) as child:
        try:
            return child.wait(after)
        except subprocess.TimeoutExpired:
            # The whole group, as ctrl-C on a terminal does: the engine's client dies as well.
            os.killpg(child.pid, number)
            answer, _ = child.communicate(timeout=60)
        if child.returncode == 128 + number:
            assert json.loads(answer)["error"]["code"] == "interrupted"
        return child.returncode


def kill_under_way(door: DoorCommand, after: float) -> None:
    """Kill a start, with its engine's client, a while after it has said that it is under way."""
    with subprocess.Popen(door.start_argv(), start_new_session=True) as child:
        until = time.monotonic() + 60
        while (found := doors.read()) is None or found.pid != child.pid:
            if child.poll() is not None:
                return  # it was faster
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(after)
        os.killpg(child.pid, signal.SIGKILL)


def kill_launcher_alone(door: DoorCommand) -> None:
    """Kill a start when its engine's client is at work, and let that go on."""
    with subprocess.Popen(door.start_argv(), start_new_session=True) as child:
        until = time.monotonic() + 60
        while not any("--detach" in proc.arguments(pid) for pid in children_of(child.pid)):
            assert child.poll() is None
            assert time.monotonic() < until
        child.kill()


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def assert_nothing_is_left(door: DoorCommand) -> None:
    assert not Path("/run/hatchway/admin").exists()
    assert not Path("/run/hatchway/admin.json").exists()
    assert "hatchway-admin" not in Path("/proc/self/mountinfo").read_text()
    assert tcp.listener("127.0.0.1", door.port) is None


@pytest.mark.parametrize("after", MOMENTS)
def test_a_start_that_is_interrupted_leaves_nothing(door: DoorCommand, after: float) -> None:
    status = start_and_signal(door, after, signal.SIGINT)
    if status == 0:
        return  # it was faster
    assert status in (130, -signal.SIGINT)
    if status == 130:
        assert_nothing_is_left(door)
    assert door.start().status == 0


@pytest.mark.parametrize("after", MOMENTS)
def test_after_a_start_that_was_killed_the_next_one_just_works(
    door: DoorCommand, after: float
) -> None:
    start_and_signal(door, after, signal.SIGKILL)
    started = door.start()
    assert started.status == 0, started.stdout + started.stderr
    assert door.ssh("true").status == 0
    assert door.stop().status == 0
    assert_nothing_is_left(door)


def test_a_killed_start_is_told_by_status_and_cleaned_up_by_stop(door: DoorCommand) -> None:
    # The further on the better, but a fast engine's start may be over by then.
    for after in (0.2, 0.1, 0.0):
        kill_under_way(door, after)
        if (status := door.status())["state"] == "interrupted":
            break
        door.stop()
    assert status["state"] == "interrupted"
    assert status["reason"]["code"] == "door.interrupted"
    assert door.stop().status == 0
    assert_nothing_is_left(door)


def test_a_client_that_survives_its_launcher_is_waited_for_by_stop(door: DoorCommand) -> None:
    kill_launcher_alone(door)
    assert door.stop().status == 0
    assert_nothing_is_left(door)
    time.sleep(1)
    assert door.status()["state"] == "closed"
    assert_nothing_is_left(door)


def test_a_client_that_survives_its_launcher_is_waited_for_by_start(door: DoorCommand) -> None:
    kill_launcher_alone(door)
    started = door.start()
    assert started.status == 0, started.stderr
    assert door.ssh("true").status == 0


# Others make snapshot and container as one.
@pytest.mark.parametrize("engine", ["containerd"], indirect=True)
def test_a_snapshot_that_a_power_cut_left_alone_does_not_stop_the_next_start(
    door: DoorCommand,
) -> None:
    flags = dict(zip(door.flags[::2], door.flags[1::2], strict=True))
    client = ("ctr", "--address", flags["--socket"], "--namespace", "hatchway", "snapshots")
    subprocess.run((*client, "prepare", "hatchway-admin"), check=True)
    assert door.start().status == 0
    assert door.stop().status == 0
    left = subprocess.run((*client, "ls"), check=True, capture_output=True, text=True).stdout
    assert "hatchway-admin" not in left


@pytest.mark.parametrize("engine", ["podman"], indirect=True)
def test_a_name_that_a_killed_podman_left_is_free_for_the_next_start(door: DoorCommand) -> None:
    killed_podman.leave_name("hatchway-admin")
    assert door.start().status == 0


@pytest.mark.parametrize("engine", ["podman"], indirect=True)
def test_a_name_that_a_killed_podman_left_is_gone_after_stop(door: DoorCommand) -> None:
    killed_podman.leave_name("hatchway-admin")
    assert door.stop().status == 0
    assert not killed_podman.knows("--external", "hatchway-admin")


@pytest.mark.parametrize("engine", ["podman"], indirect=True)
def test_a_process_that_a_killed_podman_left_is_ended_by_stop(door: DoorCommand) -> None:
    killed_podman.leave_monitor("hatchway-admin")
    assert door.stop().status == 0
    assert not killed_podman.monitored("hatchway-admin")


@pytest.mark.parametrize("engine", ["podman"], indirect=True)
def test_a_process_that_a_killed_podman_left_is_ended_by_the_next_start(door: DoorCommand) -> None:
    killed_podman.leave_monitor("hatchway-admin")
    left = {each.container for each in conmon.running() if each.name == "hatchway-admin"}
    assert left
    assert door.start().status == 0
    assert not left & {each.container for each in conmon.running()}


@pytest.mark.timeout(600)
def test_twenty_starts_at_once_give_one_door(door: DoorCommand) -> None:
    def start(_number: int) -> Finished:
        # The last one waits for nineteen others, each of which proves the door.
        return door.hatchway(*door.start_argv("--timeout", "250")[1:], timeout=280)

    with ThreadPoolExecutor(20) as pool:
        finished = list(pool.map(start, range(20)))
    assert {each.status for each in finished} == {0}, [each.stdout for each in finished]
    doors = [each.json() for each in finished]
    assert len({each["pid"] for each in doors}) == 1
    assert [each["adopted"] for each in doors].count(False) == 1
    assert len({each["known_hosts"] for each in doors}) == 1


@pytest.mark.parametrize("after", [0.2, 0.5, 0.8])
def test_stop_ends_a_start_that_is_under_way(door: DoorCommand, after: float) -> None:
    with subprocess.Popen(door.start_argv(), stdout=subprocess.PIPE) as child:
        time.sleep(after)
        assert door.stop().status == 0
        status = child.wait(60)
    assert status in (0, 143)
    if status == 143:
        assert_nothing_is_left(door)


def test_a_container_that_was_killed_is_told_with_its_log_and_replaced(door: DoorCommand) -> None:
    pid = door.start().json()["pid"]
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while door.status()["state"] == "open" and time.monotonic() < deadline:
        time.sleep(0.05)
    status = door.status()
    assert (status["state"], status["reason"]["code"]) == ("died", "container.died")
    assert door.start().json()["adopted"] is False
    assert door.ssh("true").status == 0


def test_a_busy_port_is_refused_by_name_of_who_holds_it(door: DoorCommand) -> None:
    with socket.create_server(("127.0.0.1", door.port)):
        refused = door.start()
    error = refused.json()["error"]
    assert (refused.status, error["code"]) == (1, "door.port-busy")
    assert f"(pid {os.getpid()})" in error["message"]
    assert door.status()["reason"]["code"] == "door.port-busy"


def test_an_address_of_another_host_is_refused(door: DoorCommand) -> None:
    listen = ("--listen", f"192.0.2.1:{door.port}", "--key-file", f"{door.key}.pub")
    refused = door.hatchway("admin", "start", *listen, "--output", "json", *door.flags)
    assert (refused.status, refused.code()) == (1, "door.address")
    assert door.status()["reason"]["code"] == "door.address"


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (("--image", "UPPER/case"), 1, "image.reference"),
        (("--image", "localhost/none:1", "--pull", "never"), 1, "image.missing"),
        (("--image", "127.0.0.1:1/none:1"), 1, "image.tcp"),
        (("--image", "registry.invalid/none:1"), 1, "image.dns"),
        (("--user", "Not Valid"), 64, "settings.invalid"),
        (("--listen", "nonsense"), 64, "usage.invalid"),
        (("--memory", "1"), 64, "usage.invalid"),
        (("--pull", "sometimes"), 64, "usage.invalid"),
        (("--no-such-flag",), 64, "usage.invalid"),
        (("--key-file", "/no/such/file"), 64, "settings.unreadable"),
        (("--timeout", "soon"), 64, "usage.invalid"),
        (("--timeout", "-5"), 64, "usage.invalid"),
        (("--dry-run", "--pull", "sometimes"), 64, "usage.invalid"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_bad_input_is_refused_with_its_code(
    door: DoorCommand, arguments: tuple[str, ...], status: int, code: str
) -> None:
    refused = door.start(*arguments)
    assert (refused.status, refused.code()) == (status, code), refused.stdout + refused.stderr
    assert refused.json()["error"]["message"]
    assert_nothing_is_left(door)


def test_an_engine_that_is_not_there_is_named(door: DoorCommand) -> None:
    for name in ("docker", "containerd"):
        refused = dataclasses.replace(
            door, flags=("--runtime", name, "--socket", "/run/no.sock")
        ).start()
        assert (refused.status, refused.code()) == (1, "runtime.down")
        assert "/run/no.sock" in refused.json()["error"]["message"]


def test_an_image_that_is_no_admin_image_is_refused(door: DoorCommand, tmp_path: Path) -> None:
    from tests.engine.images import make_archive

    archive = tmp_path / "other.tar"
    make_archive(archive, "localhost/other:1")
    named = ("--name", "localhost/other:1")  # whatever an earlier run has left under it
    loaded = door.hatchway("image", "load", str(archive), *named, *door.flags)
    assert loaded.status == 0, loaded.stderr
    refused = door.start("--image", "localhost/other:1", "--pull", "never")
    assert (refused.status, refused.code()) == (1, "image.contract")
    assert_nothing_is_left(door)


def test_an_image_whose_first_process_dies_is_told_so(door: DoorCommand, tmp_path: Path) -> None:
    from tests.engine.images import make_archive

    archive = tmp_path / "dying.tar"
    make_archive(archive, "localhost/dying:1", labels={"io.hatchway.admin.contract": "1"})
    named = ("--name", "localhost/dying:1")
    door.hatchway("image", "load", str(archive), *named, *door.flags)
    refused = door.start("--image", "localhost/dying:1", "--pull", "never")
    assert refused.status == 1
    assert refused.code() in ("container.died", "runtime.failed")
    assert_nothing_is_left(door)


def test_keys_that_are_wrong_never_open_a_door(door: DoorCommand, tmp_path: Path) -> None:
    listen = ("--listen", f"127.0.0.1:{free_port()}", "--output", "json", *door.flags)
    private = door.key.read_text()
    cases = {"": "keys.none", "garbage\n": "keys.none", private: "keys.private"}
    for text, code in cases.items():
        refused = door.hatchway("admin", "start", "--key-file", "-", *listen, stdin=text)
        assert (refused.status, refused.code()) == (64, code)
        assert private.splitlines()[1] not in refused.stdout + refused.stderr
    assert door.status()["state"] == "closed"


def test_a_bad_key_among_good_ones_degrades_and_ten_thousand_do_not(
    door: DoorCommand, tmp_path: Path
) -> None:
    import base64

    head = b"\0\0\0\x0bssh-ed25519\0\0\0 "
    many = tmp_path / "many.pub"
    blobs = (base64.b64encode(head + os.urandom(32)).decode() for _ in range(10_000))
    many.write_text("".join(f"ssh-ed25519 {blob} number\n" for blob in blobs))
    started = door.start("--key-file", str(many))
    assert (started.status, len(started.json()["keys"])) == (0, 10_001), started.stderr
    assert door.ssh("true").status == 0
    bad = tmp_path / "bad.pub"
    bad.write_text("ssh-rsa AAAA\n")
    degraded = door.start("--key-file", str(bad))
    assert degraded.status == 2
    assert f"{bad}:1" in degraded.json()["skipped_keys"][0]
