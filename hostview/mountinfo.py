# SPDX-License-Identifier: Apache-2.0
"""The mounts of this namespace (proc_pid_mountinfo(5)): plain text in, plain data out.

Whoever may mount anything, and with FUSE that is everybody, chooses names. The kernel escapes four
characters in them, and hands on all other bytes: what is no UTF-8, and what Python takes for the
end of a line.
"""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path

FILE = "/proc/self/mountinfo"
# What a name may not hold in a table of words: space, tab, newline, backslash and `#`.
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclasses.dataclass(frozen=True, slots=True)
class Mount:
    """One mount as this namespace sees it; `options` are those of the mount, not of its disk."""

    id: int
    parent: int
    point: str
    options: frozenset[str]
    fstype: str

    @property
    def read_only(self) -> bool:
        return "ro" in self.options


def text(path: str | Path = FILE) -> str:
    """The table as it is: bytes that are no UTF-8 become what `os.fsencode` takes back."""
    return os.fsdecode(Path(path).read_bytes())


def read() -> list[Mount]:
    return parse(text())


def parse(table: str) -> list[Mount]:
    """The mounts of a table; `ValueError` when it is none."""
    return [_mount(line) for line in lines(table)]


def lines(table: str) -> list[str]:
    """A line feed alone ends one: `splitlines` would end it at eight more that a name may hold."""
    return [line for line in table.split("\n") if line]


def unescaped(word: str) -> str:
    r"""`\040` is a blank."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), word)


def shown(point: str) -> str:
    """A name for a message or a log: on one line, and whatever reads it can take it."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in point)


def below(mounts: list[Mount], root: str) -> list[Mount]:
    """Those mounted at `root` or deeper, the root's first."""
    return [mount for mount in mounts if inside(mount.point, root)]


def reachable(mounts: list[Mount]) -> list[Mount]:
    """Leave out mounts that another one hides: a path leads to the upper one alone."""
    known = {mount.id: mount for mount in mounts}
    siblings: dict[int, list[Mount]] = {}
    for mount in mounts:
        siblings.setdefault(mount.parent, []).append(mount)

    def hidden(mount: Mount | None) -> bool:
        if mount is None:
            return False
        over = (other for other in siblings[mount.parent] if other.id != mount.id)
        if any(_covers(other, mount) for other in over):
            return True
        return mount.parent != mount.id and hidden(known.get(mount.parent))

    def covered(mount: Mount) -> bool:
        return any(child.point == mount.point for child in siblings.get(mount.id, ()))

    return [mount for mount in mounts if not covered(mount) and not hidden(mount)]


def inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _covers(other: Mount, mount: Mount) -> bool:
    # Two at one point below the same parent: the kernel lets the younger one be seen.
    if other.point == mount.point:
        return other.id > mount.id
    return inside(mount.point, other.point)


def _mount(line: str) -> Mount:
    # 36 35 98:0 /mnt1 /mnt/parent rw,noatime master:1 shared:2 - ext3 /dev/root rw
    before, _, after = line.partition(" - ")
    number, parent, _, _, point, options, *_ = before.split(" ")
    return Mount(
        id=int(number),
        parent=int(parent),
        point=unescaped(point),
        options=frozenset(options.split(",")),
        fstype=after.split(" ")[0],
    )
