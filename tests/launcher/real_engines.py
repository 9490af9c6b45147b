# SPDX-License-Identifier: Apache-2.0
"""podman, dockerd and containerd of this machine, each on its own in a private directory."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from launcher.runtimes.containerd import Containerd
from launcher.runtimes.whales import Whales

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from launcher.runtimes.base import Runtime


@contextlib.contextmanager
def podman(directory: Path) -> Iterator[Runtime]:
    directory.mkdir(parents=True, exist_ok=True)
    settings = directory / "containers.conf"
    settings.write_text('[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n')
    before = os.environ.get("CONTAINERS_CONF")
    os.environ["CONTAINERS_CONF"] = str(settings)
    root, run = directory / "root", directory / "run"
    options = ("--root", str(root), "--runroot", str(run), "--storage-driver", "vfs")
    try:
        yield Whales("podman", shutil.which("podman") or "podman", (*options, "--runtime", "runc"))
    finally:
        os.environ.pop("CONTAINERS_CONF")
        if before is not None:
            os.environ["CONTAINERS_CONF"] = before


@contextlib.contextmanager
def docker(directory: Path) -> Iterator[Runtime]:
    directory.mkdir(parents=True, exist_ok=True)
    socket = directory / "docker.sock"
    with _shim_directory() as run:
        argv = (
            "dockerd", "--iptables=false", "--bridge=none", f"--data-root={directory}/data",
            f"--exec-root={run}/exec", f"--pidfile={directory}/pid", f"--host=unix://{socket}",
            "--storage-driver=vfs", "--config-file", _empty(directory / "daemon.json"),
        )  # fmt: skip
        with _daemon(
            argv, directory, lambda: _answers("docker", f"--host=unix://{socket}", "info")
        ):
            program = shutil.which("docker") or "docker"
            yield Whales("docker", program, (f"--host=unix://{socket}",))


@contextlib.contextmanager
def containerd(directory: Path) -> Iterator[Runtime]:
    directory.mkdir(parents=True, exist_ok=True)
    with _shim_directory() as run:
        socket = f"{run}/containerd.sock"
        settings = directory / "config.toml"
        settings.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        argv = (
            "containerd", "--config", str(settings), "--root", f"{directory}/root",
            "--state", f"{run}/state", "--address", socket,
        )  # fmt: skip
        with _daemon(argv, directory, lambda: _answers("ctr", "--address", socket, "version")):
            yield Containerd(shutil.which("ctr") or "ctr", socket, "a-test")


ENGINES = {"podman": podman, "docker": docker, "containerd": containerd}


@contextlib.contextmanager
def _shim_directory() -> Iterator[str]:
    """Give a short path: sockets below it must fit into 108 bytes."""
    import tempfile

    run = tempfile.mkdtemp(prefix="hw-", dir="/run")
    try:
        yield run
    finally:
        # dockerd does not always take its network namespace's mount down.
        subprocess.run(["umount", f"{run}/exec/netns/default"], capture_output=True, check=False)
        shutil.rmtree(run, ignore_errors=True)


@contextlib.contextmanager
def _daemon(argv: tuple[str, ...], directory: Path, answers: Callable[[], bool]) -> Iterator[None]:
    with (directory / "log").open("wb") as log:
        child = subprocess.Popen(argv, stdout=log, stderr=log)
        try:
            end = time.monotonic() + 60
            while not answers():
                said = (directory / "log").read_text()[-2000:]
                assert child.poll() is None, said
                assert time.monotonic() < end, said
                time.sleep(0.1)
            yield
        finally:
            child.terminate()
            child.wait(30)


def _answers(*argv: str) -> bool:
    done = subprocess.run(argv, capture_output=True, check=False, timeout=30)
    return done.returncode == 0


def _empty(path: Path) -> str:
    path.write_text(json.dumps({}))
    return str(path)
