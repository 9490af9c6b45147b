# SPDX-License-Identifier: Apache-2.0
"""An open door is neither taken from those who are inside nor from the engine that holds it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from launcher import proc, tcp
from tests.engine import killed_podman
from tests.engine.door import DoorCommand

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.engine
on_one_engine = pytest.mark.parametrize("engine", ["podman"], indirect=True)

RECORD = Path("/run/hatchway/admin.json")
KEYS = Path("/run/hatchway/admin/authorized_keys")


@contextlib.contextmanager
def recorded(**facts: Any) -> Iterator[None]:
    """The record says something else meanwhile."""
    before = RECORD.read_text()
    RECORD.write_text(json.dumps({**json.loads(before), **facts}))
    try:
        yield
    finally:
        RECORD.write_text(before)


@contextlib.contextmanager
def inside(door: DoorCommand) -> Iterator[subprocess.Popen[bytes]]:
    """Somebody who is logged in, and repeats what is typed."""
    known = door.status()
    argv = (
        "ssh", *door.ssh_options(known["known_hosts"]), "-p", str(known["port"]),
        f"{known['user']}@{known['address']}", "echo in; cat",
    )  # fmt: skip
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"in\n"
        yield session
        assert session.stdin is not None
        session.stdin.close()


@contextlib.contextmanager
def deaf(door: DoorCommand) -> Iterator[None]:
    """The door's sshd takes connections and says nothing to them."""
    socket = tcp.listener("127.0.0.1", door.port)
    assert socket is not None
    sshd = tcp.owner(socket.inode)
    assert sshd is not None
    os.kill(sshd.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(sshd.pid, signal.SIGCONT)


@on_one_engine
def test_an_engine_that_is_gone_keeps_no_door_open(door: DoorCommand) -> None:
    door.start()
    with recorded(runtime="docker", socket="/run/nobody/docker.sock"):
        assert door.start().json()["adopted"] is True
        stopped = door.stop()
        assert (stopped.status, stopped.json()["was_open"]) == (2, True)
        assert stopped.json()["uncleared"]["runtime"] == "docker"
        assert "/run/nobody/docker.sock" in stopped.json()["uncleared"]["message"]
        assert tcp.listener("127.0.0.1", door.port) is None
        left = RECORD.read_text()
    RECORD.write_text(left)
    assert door.start().status == 0  # nor does it keep another engine from opening one
    assert door.ssh("true").status == 0


@on_one_engine
def test_an_engine_that_has_no_such_container_is_not_believed(door: DoorCommand) -> None:
    door.start()
    elsewhere = subprocess.Popen(("sleep", "600"))
    try:
        process = proc.Process.of(elsewhere.pid)
        assert process is not None
        with recorded(pid=process.pid, started=process.started):
            refused = door.stop()
            assert (refused.status, refused.code()) == (1, "container.stuck")
            assert door.status()["pid"] == process.pid
    finally:
        elsewhere.kill()
        elsewhere.wait()


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_what_a_killed_start_left_in_another_engine_is_removed(
    door: DoorCommand, ssh_key: Path, tmp_path: Path
) -> None:
    first = DoorCommand("podman", ("--runtime", "podman"), ssh_key, tmp_path)
    assert first.start().status == 0
    RECORD.write_text(json.dumps({**json.loads(RECORD.read_text()), "state": "starting", "pid": 0}))
    started = door.start()
    assert started.status == 0, started.stderr
    assert not killed_podman.knows("hatchway-admin")
    assert door.ssh("true").status == 0


@on_one_engine
def test_a_door_that_does_not_answer_is_kept_for_those_who_are_inside(door: DoorCommand) -> None:
    pid = door.start().json()["pid"]
    with inside(door) as session:
        with deaf(door):
            refused = door.start("--timeout", "10")
        assert (refused.status, refused.code()) == (1, "door.handshake")
        assert "admin is inside" in refused.json()["error"]["message"]
        assert session.poll() is None
    assert door.start().json()["pid"] == pid


@on_one_engine
def test_a_door_that_does_not_answer_and_is_empty_is_replaced(door: DoorCommand) -> None:
    pid = door.start().json()["pid"]
    # Of that, 20 s are patience with the door that is there.
    with deaf(door):
        replaced = door.start("--timeout", "60").json()
    assert (replaced["adopted"], replaced["pid"] != pid) == (False, True)
    assert door.ssh("true").status == 0


@on_one_engine
def test_a_key_that_was_taken_out_is_let_in_again_when_asked_for(door: DoorCommand) -> None:
    door.start()
    KEYS.write_text("")
    assert door.ssh("true").status == 255
    again = door.start()
    assert (again.status, len(again.json()["keys"])) == (0, 1)
    assert door.ssh("true").status == 0


@on_one_engine
def test_a_key_with_other_options_than_the_admitted_one_degrades(
    door: DoorCommand, tmp_path: Path
) -> None:
    door.start()
    bound = tmp_path / "bound.pub"
    bound.write_text(f'from="192.0.2.1" {Path(f"{door.key}.pub").read_text()}')
    argv = ("--key-file", str(bound), "--listen", f"127.0.0.1:{door.port}", "--output", "json")
    again = door.hatchway("admin", "start", *argv, *door.flags)
    assert again.status == 2
    assert any("the options of SHA256:" in each for each in again.json()["differences"])


@on_one_engine
def test_a_restart_that_cannot_open_another_door_leaves_the_present_one(door: DoorCommand) -> None:
    pid = door.start().json()["pid"]
    argv = ("--image", "localhost/no-such-image:1", "--output", "json")
    refused = door.hatchway("admin", "restart", *argv)
    assert (refused.status, refused.code()) == (1, "image.missing")
    assert door.status()["pid"] == pid
    assert door.ssh("true").status == 0
