# SPDX-License-Identifier: Apache-2.0
"""File systems: how full, of blocks and of inodes; which became read-only; which are missing."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hostview import mountinfo
from launcher import apart
from toolbox.doctor import mounts
from toolbox.doctor.diagnosis import Diagnosis

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from toolbox.doctor.mounts import Mount

_FULL: Final = 90.0  # percent
_VERY_FULL: Final = 97.0
_PATIENCE: Final = 5.0  # seconds for one file system: a busy host answers late
_MOST_SILENT: Final = 5


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FileSystem:
    """A file system that holds files; sizes in bytes, `free` is what programs may still use."""

    mount: Mount
    size: int
    free: int
    inodes: int
    inodes_free: int

    @property
    def used(self) -> float:
        """Percent, as df(1) counts."""
        return 100 * (1 - self.free / self.size) if self.size else 0.0

    @property
    def inodes_used(self) -> float:
        return 100 * (1 - self.inodes_free / self.inodes) if self.inodes else 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Disks:
    """`wanted` are mount points that fstab(5) asks for, `optional` those that have `nofail` there.

    `silent` mounts gave no answer in time.
    """

    mounts: tuple[Mount, ...]
    file_systems: tuple[FileSystem, ...]
    wanted: tuple[str, ...] = ()
    silent: tuple[Mount, ...] = ()
    optional: tuple[str, ...] = ()


def read() -> Disks:
    table = mounts.parse(mountinfo.text())
    found, silent = measured(table)
    places = {mount.place for mount in table}
    wanted, optional = (
        tuple(
            place if place in places else _followed(place)
            for place in mounts.wanted(_fstab(), nofail=nofail)
        )
        for nofail in (False, True)
    )
    return Disks(table, found, wanted, silent, optional)


def _followed(place: str) -> str:
    """Where links lead, which the kernel followed as it mounted; the way may be a dead server's."""
    with contextlib.suppress(OSError):
        return apart.answer(lambda: os.path.realpath(place), _PATIENCE)
    return place


def _fstab() -> str:
    with contextlib.suppress(FileNotFoundError):
        return Path("/etc/fstab").read_text(encoding="utf-8", errors="replace")
    return ""


def measured(table: Sequence[Mount]) -> tuple[tuple[FileSystem, ...], tuple[Mount, ...]]:
    """Each file system once, and the mounts that give no answer."""
    top = {mount.place: mount for mount in table}
    waiting = [mount for mount in table if mount.real and top[mount.place] == mount]
    found: list[FileSystem] = []
    silent: list[Mount] = []
    while waiting and len(silent) < _MOST_SILENT:
        work = functools.partial(_measures, tuple(waiting), {each.mount.device for each in found})
        try:
            for measures in apart.pieces(work, lambda: _PATIENCE):
                found += measures
                del waiting[0]
        except TimeoutError:
            silent.append(waiting.pop(0))
    return tuple(found), tuple(silent)


def _measures(table: Sequence[Mount], seen: set[str]) -> Iterator[list[FileSystem]]:
    """In the child: for each mount its file system, unless another mount showed the same."""
    for mount in table:
        found: list[FileSystem] = []
        with contextlib.suppress(OSError):
            if mount.device not in seen and Path(mount.place).is_dir():
                found = [_measure(mount)]
                seen.add(mount.device)
        yield found


def _measure(mount: Mount) -> FileSystem:
    facts = os.statvfs(mount.place)
    # df(1): what root keeps for itself is neither used nor free.
    used = (facts.f_blocks - facts.f_bfree) * facts.f_frsize
    free = facts.f_bavail * facts.f_frsize
    return FileSystem(
        mount=mount,
        size=used + free,
        free=free,
        inodes=facts.f_files,
        inodes_free=facts.f_ffree,
    )


def check(disks: Disks) -> Iterator[Diagnosis]:
    for each in disks.file_systems:
        yield from _fullness(each)
    yield from _read_only(disks.mounts)
    if disks.silent:
        places = ", ".join(mount.name for mount in disks.silent)
        yield Diagnosis(
            "disks.silent",
            "critical",
            f"no answer within {_PATIENCE:.0f} s: {places}",
            tuple(mount.title for mount in disks.silent),
            "Whoever opens a file there hangs as well: look at its disk, or at its server.",
        )
    yield from _missing(disks)


def _missing(disks: Disks) -> Iterator[Diagnosis]:
    mounted = {mount.place for mount in disks.mounts}
    if missing := sorted(set(disks.wanted) - mounted):
        yield Diagnosis(
            "disks.missing-mount",
            "critical",
            f"in fstab but not mounted: {', '.join(missing)}",
            tuple(missing),
            "Look at `systemctl list-units --type=mount --failed` and at the disk itself.",
        )
    if missing := sorted(set(disks.optional) - mounted):
        yield Diagnosis(
            "disks.missing-nofail",
            "warning",
            f"in fstab with nofail but not mounted: {', '.join(missing)}",
            tuple(missing),
            "Whatever writes there fills the disk beneath: attach the disk, or remove the line.",
        )


def _fullness(each: FileSystem) -> Iterator[Diagnosis]:
    place = each.mount.name
    if each.used >= _FULL:
        left = f"{human(each.free)} of {human(each.size)}"
        yield Diagnosis(
            "disks.full",
            "critical" if each.used >= _VERY_FULL else "warning",
            f"{place} is {each.used:.0f} % full",
            (f"{each.mount.title}: {left} left",),
            f"`du -xh {place}` finds what fills it; images, logs and deleted files that are still "
            "open are the usual ones.",
        )
    if each.inodes_used >= _FULL:
        yield Diagnosis(
            "disks.inodes",
            "critical" if each.inodes_used >= _VERY_FULL else "warning",
            f"{place} has used {each.inodes_used:.0f} % of its inodes",
            (f"{place}: {each.inodes_free} of {each.inodes} inodes left",),
            "Look for a directory with very many small files.",
        )


def _read_only(mounts: Sequence[Mount]) -> Iterator[Diagnosis]:
    """A disk that was mounted writable and is not any more: the kernel saw an error on it.

    The mount still says `rw`, the file system beneath it `ro`.
    """
    for mount in {mount.device: mount for mount in reversed(mounts)}.values():
        if mount.real and "rw" in mount.options and "ro" in mount.super_options:
            shown = mountinfo.shown(",".join(sorted(mount.super_options)))
            yield Diagnosis(
                "disks.read-only",
                "critical",
                f"{mount.name} has become read-only",
                (f"{mount.title}: {shown}",),
                "The kernel log says why; save what is needed, then check the disk.",
            )


def human(size: float) -> str:
    """`1.5 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
