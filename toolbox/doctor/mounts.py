# SPDX-License-Identifier: Apache-2.0
"""What is mounted, and what fstab(5) wants to be."""

from __future__ import annotations

import dataclasses
import os
from typing import Final

from hostview import mountinfo
from hostview.seal import NETWORK_TYPES

# File systems that hold no files of their own, or are full by their nature.
_UNREAL: Final = frozenset(
    {
        *("autofs", "bdev", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs"),
        *("devpts", "devtmpfs", "efivarfs", "erofs", "fuse.lxcfs", "fusectl", "hugetlbfs"),
        *("iso9660", "mqueue", "nsfs", "overlay", "proc", "pstore", "ramfs", "rpc_pipefs"),
        *("securityfs", "selinuxfs", "squashfs", "sysfs", "tracefs"),
    }
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A line of /proc/self/mountinfo."""

    device: str
    place: str
    kind: str
    source: str
    options: frozenset[str]
    super_options: frozenset[str]

    @property
    def name(self) -> str:
        """Its place, in a message."""
        return mountinfo.shown(self.place)

    @property
    def title(self) -> str:
        return mountinfo.shown(f"{self.place} ({self.source}, {self.kind})")

    @property
    def real(self) -> bool:
        """Whether it holds files, on this machine: a server that is gone would never answer."""
        return self.kind not in _UNREAL and self.kind.partition(".")[0] not in NETWORK_TYPES


def parse(text: str) -> tuple[Mount, ...]:
    """The mounts of a mountinfo (proc(5)), in its order."""
    found = []
    for line in mountinfo.lines(text):
        left, _, right = line.partition(" - ")
        fields, more = left.split(" "), right.split(" ")
        if len(fields) < 6 or len(more) < 3:
            continue
        found.append(
            Mount(
                device=fields[2],
                place=mountinfo.unescaped(fields[4]),
                kind=more[0],
                source=mountinfo.unescaped(more[1]),
                options=frozenset(fields[5].split(",")),
                super_options=frozenset(more[2].split(",")),
            )
        )
    return tuple(found)


def wanted(text: str, *, nofail: bool = False) -> tuple[str, ...]:
    """The mount points that an fstab asks for at every boot; with `nofail`, those that have it."""
    lines = [line.split() for line in text.splitlines() if not line.lstrip().startswith("#")]
    return tuple(
        # POSIX leaves two slashes at the beginning as they are; mount(8) does not.
        os.path.normpath("/" + mountinfo.unescaped(words[1]).lstrip("/"))
        for words in lines
        if len(words) >= 4 and words[1].startswith("/") and words[2] != "swap"
        if "noauto" not in words[3].split(",") and ("nofail" in words[3].split(",")) == nofail
    )
