# SPDX-License-Identifier: Apache-2.0
"""podman, dockerd and containerd of this machine, each on its own in a private directory."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

from launcher.runtimes.containerd import Containerd
from launcher.runtimes.ctr import Ctr
from launcher.runtimes.podman import Podman
from launcher.runtimes.whales import Whales
from tests import daemons

if TYPE_CHECKING:
    from collections.abc import Iterator
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
        yield Podman("podman", shutil.which("podman") or "podman", (*options, "--runtime", "runc"))
    finally:
        os.environ.pop("CONTAINERS_CONF")
        if before is not None:
            os.environ["CONTAINERS_CONF"] = before


@contextlib.contextmanager
def docker(directory: Path) -> Iterator[Runtime]:
    with daemons.dockerd(directory, "--storage-driver=vfs") as socket:
        yield Whales("docker", shutil.which("docker") or "docker", (f"--host=unix://{socket}",))


@contextlib.contextmanager
def containerd(directory: Path) -> Iterator[Runtime]:
    with daemons.containerd(directory) as socket:
        yield Containerd(Ctr(shutil.which("ctr") or "ctr", socket, "a-test"))


ENGINES = {"podman": podman, "docker": docker, "containerd": containerd}
