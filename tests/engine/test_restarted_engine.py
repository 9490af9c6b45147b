# SPDX-License-Identifier: Apache-2.0
"""Who opens a door in docker, or comes in through it, knows what a restart of docker would do."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import daemons
from tests.engine.door import PROGRAM, DoorCommand
from tests.engine.toolbox import eventually

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.engine

WORD = "restarting docker ends this door"


def _login(door: DoorCommand) -> str:
    """What somebody sees who logs in."""
    return door.ssh(options=("-tt",), stdin="exit\n").stdout


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_docker_without_live_restore_is_told_of_at_the_start_and_at_login(
    door: DoorCommand,
) -> None:
    started = door.start()
    assert any(WORD in note for note in started.json()["notes"])
    assert WORD in started.stderr
    assert WORD in _login(door)
    assert any(WORD in note for note in door.status()["notes"])


def test_a_door_lives_on_where_docker_restores(
    admin_archive: Path, ssh_key: Path, tmp_path: Path
) -> None:
    with daemons.short_directory() as data, daemons.short_directory() as run:
        flags = ("--runtime", "docker", "--socket", f"{run}/docker.sock")
        door = DoorCommand("docker", flags, ssh_key, tmp_path)
        with daemons.dockerd(data, "--live-restore", run=run):
            argv = (PROGRAM, "image", "load", str(admin_archive), *flags)
            subprocess.run(argv, check=True, capture_output=True)
            started = door.start().json()
            assert not any(WORD in note for note in started["notes"])
            assert WORD not in _login(door)
        assert door.ssh("true").status == 0
        with daemons.dockerd(data, "--live-restore", run=run):
            try:
                assert door.status()["pid"] == started["pid"]
                assert door.ssh("true").status == 0
                # It does not remove itself there: whoever closes the door does.
                os.kill(started["pid"], signal.SIGKILL)
                assert eventually(lambda: door.status()["state"] == "died")
            finally:
                stopped = door.stop()
            assert (stopped.status, stopped.json()["uncleared"]) == (0, None)
            assert _containers(run) == []


def _containers(run: Path) -> list[str]:
    argv = ("docker", "-H", f"unix://{run}/docker.sock", "ps", "--all", "--quiet")
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize("engine", ["podman", "containerd"], indirect=True)
def test_other_engines_are_not(door: DoorCommand) -> None:
    assert not any(WORD in note for note in door.start().json()["notes"])
