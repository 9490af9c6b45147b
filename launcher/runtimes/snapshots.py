# SPDX-License-Identifier: Apache-2.0
"""Writable roots of containers: a snapshot on top of an image, which we mount ourselves."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from launcher import files, mounts
from launcher.runtimes.base import USUAL_STORAGE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from launcher.runtimes.ctr import Ctr

RUN: Final = Path("/run/hatchway/containerd")
SNAPSHOTTER: Final = "id==overlayfs"  # ctr's own default


@dataclasses.dataclass(frozen=True)
class Snapshots:
    """A snapshot has the name of its container."""

    ctr: Ctr

    def make(self, name: str, layers: list[str]) -> Path:
        """Prepare the snapshot on top of `layers` (diff ids) and mount it; gives where."""
        # First the directory: by it one can tell what is left of a start that was killed here.
        make_directory(name)
        # `prepare` marks the snapshot as a root of garbage collection, so it stays while we do.
        prepare = ("snapshots", "prepare", "--target", str(root(name)), name, chain_id(layers))
        done = self.ctr(*prepare, check=False)
        if done.status:
            # A power cut took the directory, which is in memory, and left the snapshot.
            self.ctr("snapshots", "rm", name, check=False)
            done = self.ctr(*prepare)
        return _mount(name, done.text())

    def mount(self, name: str) -> Path:
        """Mount the snapshot that is there; gives where."""
        make_directory(name)
        return _mount(name, self.ctr("snapshots", "mounts", str(root(name)), name).text())

    def remove(self, name: str) -> bool:
        """Unmount and forget it; whether there was one."""
        unmount(name)
        there = root(name).exists()
        with files.explained(root(name)):
            if there:
                root(name).rmdir()
        return self.ctr("snapshots", "rm", name, check=False).status == 0 or there

    def storage(self) -> Path:
        """Where the snapshotter has them, as containerd tells since 1.3."""
        done = self.ctr("plugins", "ls", "--detailed", SNAPSHOTTER, check=False)
        found = re.search(r"^\s+root\s+(/.*)$", done.text(), re.MULTILINE)
        return Path(found[1].strip()) if found else USUAL_STORAGE

    def names(self) -> Iterable[str]:
        """The names of all snapshots, and of roots that were left without one."""
        yield from (line.split()[0] for line in self.ctr("snapshots", "ls").text().splitlines())
        yield from (path.stem for path in RUN.glob("*.root"))


def root(name: str) -> Path:
    """Where the root of that container is mounted, if it is."""
    return RUN / f"{name}.root"


def unmount(name: str) -> None:
    with files.explained(root(name)):
        mounts.detach(str(root(name)))


def _mount(name: str, said: str) -> Path:
    unmount(name)
    for kind, source, options in parse_mounts(said):
        with files.explained(root(name)):
            mounts.mount(source, str(root(name)), kind, options)
    return root(name)


def make_directory(name: str) -> None:
    files.own_directory(RUN.parent)
    files.own_directory(RUN)
    with files.explained(root(name)):
        root(name).mkdir(exist_ok=True)


def chain_id(layers: list[str]) -> str:
    """The name of the snapshot that holds all `layers` (diff ids): the OCI image spec's ChainID."""
    chain = layers[0]
    for layer in layers[1:]:
        chain = f"sha256:{hashlib.sha256(f'{chain} {layer}'.encode()).hexdigest()}"
    return chain


def parse_mounts(text: str) -> list[tuple[str, str, str]]:
    """(type, source, options) of each line `mount -t TYPE SOURCE TARGET -o OPTIONS` from ctr."""
    found = []
    for line in text.splitlines():
        words = shlex.split(line)
        if words[:2] == ["mount", "-t"]:
            options = words[6] if len(words) > 6 and words[5] == "-o" else ""
            found.append((words[2], words[3], options))
    return found
