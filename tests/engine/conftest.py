# SPDX-License-Identifier: Apache-2.0
"""Real engines with the real admin image: podman as it is, dockerd and containerd of our own."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests import daemons
from tests.engine.door import PROGRAM, DoorCommand

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENGINES = ("podman", "docker", "containerd")


@contextmanager
def docker(place: Path) -> Iterator[tuple[str, ...]]:
    with daemons.dockerd(place) as socket:
        yield "--runtime", "docker", "--socket", socket


@contextmanager
def containerd(place: Path) -> Iterator[tuple[str, ...]]:
    with daemons.containerd(place) as socket:
        yield "--runtime", "containerd", "--socket", socket


@contextmanager
def podman(_place: Path) -> Iterator[tuple[str, ...]]:
    yield "--runtime", "podman"


_OPEN = {"podman": podman, "docker": docker, "containerd": containerd}


@pytest.fixture(scope="session", params=ENGINES)
def engine(
    request: pytest.FixtureRequest, admin_archive: Path
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """An engine that runs and holds the admin image: its name, and the flags that lead to it."""
    with daemons.short_directory() as place, _OPEN[request.param](place) as flags:
        argv = (PROGRAM, "image", "load", str(admin_archive), *flags)
        subprocess.run(argv, check=True, capture_output=True)
        yield request.param, flags


@pytest.fixture
def door(
    engine: tuple[str, tuple[str, ...]], ssh_key: Path, tmp_path: Path
) -> Iterator[DoorCommand]:
    """A closed door, which is closed again at the end, whatever the test did."""
    command = DoorCommand(*engine, ssh_key, tmp_path)
    command.stop()
    yield command
    stopped = command.stop()
    assert stopped.status == 0, stopped.stdout + stopped.stderr


@pytest.fixture(scope="module")
def opened(
    engine: tuple[str, tuple[str, ...]], ssh_key: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DoorCommand]:
    """An open door that the tests of a module share and leave open."""
    command = DoorCommand(*engine, ssh_key, tmp_path_factory.mktemp("door"))
    command.stop()
    started = command.start()
    assert started.status == 0, started.stdout + started.stderr
    yield command
    command.stop()
