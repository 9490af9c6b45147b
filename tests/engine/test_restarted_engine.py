# SPDX-License-Identifier: Apache-2.0
"""Who opens a door in docker, or comes in through it, knows what a restart of docker would do."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import daemons
from tests.engine.door import PROGRAM, DoorCommand

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


def test_docker_with_live_restore_is_not(
    admin_archive: Path, ssh_key: Path, tmp_path: Path
) -> None:
    with (
        daemons.short_directory() as place,
        daemons.dockerd(place, "--live-restore") as socket,
    ):
        flags = ("--runtime", "docker", "--socket", socket)
        argv = (PROGRAM, "image", "load", str(admin_archive), *flags)
        subprocess.run(argv, check=True, capture_output=True)
        door = DoorCommand("docker", flags, ssh_key, tmp_path)
        try:
            assert not any(WORD in note for note in door.start().json()["notes"])
            assert WORD not in _login(door)
        finally:
            door.stop()


@pytest.mark.parametrize("engine", ["podman", "containerd"], indirect=True)
def test_other_engines_are_not(door: DoorCommand) -> None:
    assert not any(WORD in note for note in door.start().json()["notes"])
