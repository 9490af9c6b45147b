# SPDX-License-Identifier: Apache-2.0
"""Memory groups of the kernel (cgroups), of either version.

https://docs.kernel.org/admin-guide/cgroup-v2.html, .../cgroup-v1/memory.html
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from pathlib import Path

from admin_image.spec import GROUP
from hostview import kernel

# Where the whole hierarchy is for a moment, until our own group is bound to GROUP.
_WHOLE = "/run/hatchway/cgroups"
_REMOVE_LIMIT = 1.0
_REMOVE_INTERVAL = 0.01


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """The kernel's names in one version."""

    fstype: str
    limit: str
    events: str
    shared: str
    # The limit of memory and swap together, which may not be below that of memory.
    both: str = ""


V1 = Kind(
    "cgroup", "memory.limit_in_bytes", "memory.oom_control", "total_shmem",
    "memory.memsw.limit_in_bytes",
)  # fmt: skip
V2 = Kind("cgroup2", "memory.max", "memory.events", "shmem")
_HIERARCHICAL = "memory.use_hierarchy"
_CONTROLLERS = "cgroup.subtree_control"


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """One group by its directory."""

    path: Path
    kind: Kind

    @property
    def name(self) -> str:
        return self.path.name

    def child(self, name: str) -> Group:
        return Group(self.path / name, self.kind)

    def children(self) -> list[Group]:
        try:
            with os.scandir(self.path) as entries:
                return [self.child(entry.name) for entry in entries if entry.is_dir()]
        except FileNotFoundError:
            return []

    def make(self) -> None:
        self.path.mkdir(exist_ok=True)

    def remove(self) -> None:
        """Remove it when all its processes have ended, which a kill takes a moment for."""
        end = time.monotonic() + _REMOVE_LIMIT
        while self.path.exists():
            with contextlib.suppress(OSError):
                self.path.rmdir()
                return
            if time.monotonic() > end:
                return
            time.sleep(_REMOVE_INTERVAL)

    def pids(self) -> list[int]:
        try:
            return [int(word) for word in (self.path / "cgroup.procs").read_text().split()]
        except OSError:
            return []

    def add(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._write("cgroup.procs", pid)

    def limit(self) -> int:
        """In bytes; where there is none, a number beyond all memory."""
        text = (self.path / self.kind.limit).read_text().strip()
        return (1 << 62) if text == "max" else int(text)

    def set_limit(self, size: int) -> None:
        if self.kind.both and (self.path / self.kind.both).exists():
            both = int((self.path / self.kind.both).read_text())
            before = self.limit()
            if both < 1 << 62 and size > before:
                self._write(self.kind.both, size + both - before)
        self._write(self.kind.limit, size)

    def shared(self) -> int:
        """Bytes in files of a tmpfs and in shared memory, of groups below as well."""
        return _number(self.path / "memory.stat", self.kind.shared)

    def kills(self) -> int:
        """How many of its processes the kernel has killed for want of memory."""
        return _number(self.path / self.kind.events, "oom_kill")

    def make_hierarchical(self) -> None:
        """Have the limit hold for groups below, where that is a choice (v1 before 5.11)."""
        with contextlib.suppress(OSError):
            self._write(_HIERARCHICAL, 1)

    def pass_on(self) -> None:
        """Let groups below have limits of their own; on v2 no process may be in this one then."""
        if self.kind is V2:
            self._write(_CONTROLLERS, "+memory")

    def keep(self) -> None:
        if self.kind is V2:
            with contextlib.suppress(OSError):
                self._write(_CONTROLLERS, "-memory")

    def _write(self, name: str, value: int | str) -> None:
        # Not write_text: that would make a file where the kernel has none.
        descriptor = os.open(self.path / name, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, str(value).encode())
        finally:
            os.close(descriptor)


def container() -> Group:
    """Our own group, as GROUP; `OSError` or `ValueError` where we may not have it.

    Mounted anew: an engine may show the groups read-only, or one alone, or none at all.
    """
    kind, controllers, path = own(Path("/proc/self/cgroup").read_bytes().decode())
    for place in (_WHOLE, GROUP):
        Path(place).mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        kernel.umount2(GROUP, kernel.MNT_DETACH)  # of the same container, before it was restarted
    kernel.mount("hatchway", _WHOLE, kind.fstype, data=controllers)
    try:
        kernel.mount(f"{_WHOLE}{path}", GROUP, flags=kernel.MS_BIND)
    finally:
        kernel.umount2(_WHOLE, kernel.MNT_DETACH)
    return Group(Path(GROUP), kind)


def own(table: str) -> tuple[Kind, str, str]:
    """The version, the controllers to mount and the path, from /proc/PID/cgroup (cgroups(7))."""
    lines = [line.split(":", 2) for line in table.split("\n") if line.count(":") > 1]
    for _, controllers, path in lines:
        if "memory" in controllers.split(","):
            return V1, controllers, path
    for _, controllers, path in lines:
        if not controllers:
            return V2, "", path
    message = "the kernel tells of no memory group"
    raise ValueError(message)


def _number(path: Path, name: str) -> int:
    """The number behind `name` in a file of `NAME NUMBER` lines; 0 where there is none."""
    with contextlib.suppress(OSError):
        for line in path.read_text().splitlines():
            word, _, number = line.partition(" ")
            if word == name:
                return int(number)
    return 0
