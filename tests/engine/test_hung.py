# SPDX-License-Identifier: Apache-2.0
"""An engine that hangs: no command waits for it beyond its time, and the door closes without it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from launcher import door as doors
from launcher import locks, proc, tcp
from launcher.proc import Process
from tests.engine.hung import hanging
from tests.engine.toolbox import Toolbox, processes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.door import DoorCommand

pytestmark = pytest.mark.engine

# Seconds: each command is told to take a few, and gets many more on a busy machine; but fewer than
# the minute that one question to an engine may take where nobody sets a limit.
PATIENCE = 40
# Whose processes do not end when they are told to, and have left their session.
STUBBORN = "setsid sh -c 'trap \"\" TERM HUP; echo inside; while :; do sleep 0.1; done' stubborn"


def eventually(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + 60
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def stubborn() -> list[int]:
    return [pid for pid in proc.called("sh") if "stubborn" in proc.arguments(pid)]


def knows_the_door(door: DoorCommand) -> bool:
    """Whether the engine itself has the container, in whatever state."""
    argv: tuple[str, ...]
    if door.engine == "containerd":
        argv = ("ctr", "--address", door.flags[-1], "--namespace", "hatchway", "c", "ls", "-q")
    elif door.engine == "docker":
        argv = ("docker", "-H", f"unix://{door.flags[-1]}", "ps", "-a", "--format", "{{.Names}}")
    else:
        argv = ("podman", "ps", "-a", "--external", "--format", "{{.Names}}")
    said = subprocess.run(argv, capture_output=True, text=True, check=True)
    return "hatchway-admin" in said.stdout.split()


def test_stop_closes_the_door_of_an_engine_that_hangs(door: DoorCommand) -> None:
    opened = door.start().json()
    client = (
        "ssh", *door.ssh_options(opened["known_hosts"]), "-p", str(door.port),
        f"admin@{opened['address']}", STUBBORN,
    )  # fmt: skip
    with subprocess.Popen(client, stdout=subprocess.PIPE) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"inside\n"
        assert stubborn()
        with hanging(door.engine, door.flags):
            stopped = door.hatchway(
                "admin", "stop", "--timeout", "3", "-o", "json", *door.flags, timeout=PATIENCE
            )
            assert stopped.status == 2, stopped.stdout + stopped.stderr
            said = stopped.json()
            assert (said["state"], said["was_open"]) == ("closed", True)
            assert said["uncleared"]["container"] == "hatchway-admin"
            session.wait(60)
            assert tcp.listener("127.0.0.1", door.port) is None
            assert not Process.of(opened["pid"])
            assert stubborn() == []
            told = door.status()
            assert (told["state"], told["ready"]) == ("closed", False)
            assert told["uncleared"] == said["uncleared"]
    cleared = door.stop()
    assert (cleared.status, cleared.json()["uncleared"]) == (0, None)
    assert not knows_the_door(door)
    assert door.status()["uncleared"] is None


def test_every_command_ends_in_its_time_while_the_engine_hangs(
    door: DoorCommand, admin_archive: Path, tmp_path: Path
) -> None:
    limit = ("--timeout", "2")
    keyed = ("--key-file", f"{door.key}.pub", "--listen", f"127.0.0.1:{door.port}")
    data = tmp_path / "user-data"
    data.write_text("#!/bin/sh\ntrue\n")
    commands: dict[str, tuple[str, ...]] = {
        "start": ("admin", "start", *keyed, *limit, *door.flags),
        "load": ("image", "load", str(admin_archive), *limit, *door.flags),
        "validate": ("bootstrap", "validate", str(data), *limit, *door.flags),
    }
    if door.engine == "docker":  # its limit is for the command; engines have one of their own
        commands["run"] = ("toolbox", "run", "-T", *limit, *door.flags, "true")
    with hanging(door.engine, door.flags):
        for name, argv in commands.items():
            ended = door.hatchway(*argv, timeout=PATIENCE)
            assert ended.status in (1, 125), (name, ended)
            assert "[runtime.timeout]" in ended.stderr, (name, ended)
        assert tcp.listener("127.0.0.1", door.port) is None
        assert door.status()["reason"]["code"] == "runtime.timeout"
        assert door.hatchway("toolbox", "list", timeout=PATIENCE).status == 0
    assert door.start().status == 0


def test_a_start_whose_engine_hangs_in_the_middle_leaves_no_door(door: DoorCommand) -> None:
    with subprocess.Popen(
        door.start_argv("--timeout", "5"), stdout=subprocess.PIPE, start_new_session=True
    ) as starting:
        # The client is about to ask, or has just asked, for the container.
        assert eventually(lambda: starting.poll() is not None or _asks(starting.pid))
        with hanging(door.engine, door.flags):
            said, _ = starting.communicate(timeout=PATIENCE)
            if starting.returncode != 0:  # it may have been through already
                assert starting.returncode == 1, said
                assert json.loads(said)["error"]["code"] in ("runtime.timeout", "container.died")
                assert tcp.listener("127.0.0.1", door.port) is None
    if starting.returncode != 0:
        assert door.status()["state"] == "failed"
        assert tcp.listener("127.0.0.1", door.port) is None
    assert door.start().status == 0
    assert door.ssh("true").status == 0


def _asks(launcher: int) -> bool:
    try:
        children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    except OSError:
        return False
    return any("--detach" in proc.arguments(int(pid)) for pid in children)


@pytest.mark.parametrize("engine", ["podman"], indirect=True)
def test_a_restart_leaves_the_door_of_an_engine_that_hangs(door: DoorCommand) -> None:
    pid = door.start().json()["pid"]
    with hanging(door.engine, door.flags):
        refused = door.hatchway(
            "admin", "restart", "--timeout", "3", "-o", "json", timeout=PATIENCE
        )
        assert (refused.status, refused.code()) == (1, "runtime.timeout")
        assert door.status()["pid"] == pid
        assert door.ssh("true").status == 0
        assert door.hatchway("admin", "exec", "true", timeout=PATIENCE).status == 0


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_a_toolbox_ends_while_its_engine_hangs(door: DoorCommand) -> None:
    toolbox = Toolbox(door.engine, door.flags)
    mark = f"98765{door.port}"
    running = toolbox.start("-T", "--timeout", "8", "--", "sleep", mark)
    with running:
        assert eventually(lambda: bool(processes(mark)) or running.poll() is not None)
        with hanging(door.engine, door.flags):
            # More than the time of the command: the engine is asked to end it, and given up.
            _, said = running.communicate(timeout=2 * PATIENCE)
            assert running.returncode == 124, said
            assert processes(mark) == []
            assert toolbox.call("list", timeout=PATIENCE).status == 0
    assert toolbox.run("true").status == 0
    assert toolbox.left() == set()


def test_ctrl_c_ends_a_start_while_the_engine_hangs(door: DoorCommand) -> None:
    with hanging(door.engine, door.flags):
        with subprocess.Popen(door.start_argv(), stderr=subprocess.PIPE, text=True) as starting:
            assert eventually(lambda: locks.is_held(doors.LOCK))
            os.kill(starting.pid, signal.SIGINT)
            assert starting.wait(PATIENCE) == 130
        assert tcp.listener("127.0.0.1", door.port) is None
