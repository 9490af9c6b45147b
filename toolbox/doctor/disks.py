# SPDX-License-Identifier: Apache-2.0
"""File systems: how full, of blocks and of inodes; which became read-only; which are missing."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hostview import mountinfo
from toolbox.doctor.diagnosis import Diagnosis

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FULL: Final = 90.0  # percent
_VERY_FULL: Final = 97.0
# File systems that hold no files of their own, or are full by their nature.
_UNREAL: Final = frozenset(
    {
        *("autofs", "bdev", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs"),
        *("devpts", "devtmpfs", "efivarfs", "erofs", "fuse.lxcfs", "fusectl", "hugetlbfs"),
        *("iso9660", "mqueue", "nsfs", "overlay", "proc", "pstore", "ramfs", "rpc_pipefs"),
        *("securityfs", "selinuxfs", "squashfs", "sysfs", "tracefs"),
    }
)
# Asking a server that is gone would hang for ever.
_REMOTE: Final = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "9p", "afs", "lustre"),
        *("fuse.sshfs", "fuse.s3fs", "virtiofs"),
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
    """`wanted` are mount points that fstab(5) asks for."""

    mounts: tuple[Mount, ...]
    file_systems: tuple[FileSystem, ...]
    wanted: tuple[str, ...] = ()


def read() -> Disks:
    mounts = parse_mounts(mountinfo.text())
    fstab = ""
    with contextlib.suppress(OSError):
        fstab = Path("/etc/fstab").read_text(encoding="utf-8", errors="replace")
    return Disks(mounts, tuple(_measured(mounts)), parse_fstab(fstab))


def parse_mounts(text: str) -> tuple[Mount, ...]:
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


def parse_fstab(text: str) -> tuple[str, ...]:
    lines = [line.split() for line in text.splitlines() if not line.lstrip().startswith("#")]
    return tuple(
        mountinfo.unescaped(words[1])
        for words in lines
        if len(words) >= 4 and words[1].startswith("/") and words[2] != "swap"
        if not {"noauto", "nofail"} & set(words[3].split(","))
    )


def _measured(mounts: Sequence[Mount]) -> Iterator[FileSystem]:
    """Each file system once, by the first of its mounts that is still on top of its place."""
    seen: set[str] = set()
    top = {mount.place: mount for mount in mounts}
    for mount in mounts:
        if mount.kind in _UNREAL | _REMOTE or mount.device in seen or top[mount.place] != mount:
            continue
        with contextlib.suppress(OSError):
            if Path(mount.place).is_dir():
                seen.add(mount.device)
                facts = os.statvfs(mount.place)
                # df(1): what root keeps for itself is neither used nor free.
                used = (facts.f_blocks - facts.f_bfree) * facts.f_frsize
                free = facts.f_bavail * facts.f_frsize
                yield FileSystem(
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
    missing = sorted(set(disks.wanted) - {mount.place for mount in disks.mounts})
    if missing:
        yield Diagnosis(
            "disks.missing-mount",
            "critical",
            f"not mounted though fstab asks for it: {', '.join(missing)}",
            tuple(missing),
            "Look at `systemctl list-units --type=mount --failed` and at the disk itself.",
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
        real = mount.kind not in _UNREAL | _REMOTE
        if real and "rw" in mount.options and "ro" in mount.super_options:
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
