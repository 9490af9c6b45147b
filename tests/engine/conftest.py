# SPDX-License-Identifier: Apache-2.0
"""Real engines with the real admin image: podman as it is, dockerd and containerd of our own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engine.door import PROGRAM, DoorCommand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENGINES = ("podman", "docker", "containerd")


@contextmanager
def daemon(argv: tuple[str, ...], log: Path, answers: Callable[[], bool]) -> Iterator[None]:
    with log.open("wb") as sink, subprocess.Popen(argv, stdout=sink, stderr=sink) as child:
        end = time.monotonic() + 60
        while not answers():
            assert child.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < end, log.read_text()[-2000:]
            time.sleep(0.1)
        try:
            yield
        finally:
            child.terminate()


def succeeds(*argv: str) -> Callable[[], bool]:
    return lambda: subprocess.run(argv, capture_output=True, check=False).returncode == 0


@contextmanager
def docker(place: Path) -> Iterator[tuple[str, ...]]:
    socket = f"{place}/docker.sock"
    argv = (
        "dockerd", "--data-root", f"{place}/root", "--exec-root", f"{place}/exec",
        "--host", f"unix://{socket}", "--pidfile", f"{place}/pid",
        "--iptables=false", "--ip-forward=false", "--bridge=none",
    )  # fmt: skip
    try:
        with daemon(argv, place / "log", succeeds("docker", "-H", f"unix://{socket}", "info")):
            yield "--runtime", "docker", "--socket", socket
    finally:
        # dockerd does not always take its network namespace's mount down.
        subprocess.run(("umount", f"{place}/exec/netns/default"), capture_output=True, check=False)


@contextmanager
def containerd(place: Path) -> Iterator[tuple[str, ...]]:
    socket = f"{place}/containerd.sock"
    settings = place / "config.toml"
    settings.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    argv = (
        "containerd", "--config", str(settings), "--root", f"{place}/root",
        "--state", f"{place}/state", "--address", socket,
    )  # fmt: skip
    with daemon(argv, place / "log", succeeds("ctr", "--address", socket, "version")):
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
    # Below /run, and short: the sockets of containerd's shims must fit into 108 bytes.
    place = Path(tempfile.mkdtemp(prefix="hw-", dir="/run"))
    try:
        with _OPEN[request.param](place) as flags:
            argv = (PROGRAM, "image", "load", str(admin_archive), *flags)
            subprocess.run(argv, check=True, capture_output=True)
            yield request.param, flags
    finally:
        shutil.rmtree(place, ignore_errors=True)


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
