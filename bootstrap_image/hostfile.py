# SPDX-License-Identifier: Apache-2.0
"""A file of the host: replaced in one piece, or added to.

It keeps its mode and owner unless others are asked for: fstab may hold a password.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclasses.dataclass(frozen=True, slots=True)
class Attributes:
    """None: as the file has it, or 0644 of root for a new one."""

    mode: int | None = None
    owner: tuple[int, int] | None = None

    def of(self, target: Path) -> tuple[int, tuple[int, int]]:
        mode, owner = 0o644, (0, 0)
        with contextlib.suppress(OSError):
            found = target.stat()
            mode, owner = stat.S_IMODE(found.st_mode), (found.st_uid, found.st_gid)
        return mode if self.mode is None else self.mode, self.owner or owner


def replace(target: Path, data: bytes, attributes: Attributes) -> None:
    """Its directories are made."""
    mode, owner = attributes.of(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name[:200]}.hatchway")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        _fill(os.open(fresh, flags, 0o600), data, mode, owner)
        try:
            fresh.replace(target)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            # A mount point, as engines make /etc/hosts one: only its content can change.
            with target.open("wb") as file:
                file.write(data)
    finally:
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()


def append(target: Path, data: bytes, attributes: Attributes) -> None:
    mode, owner = attributes.of(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    _fill(os.open(target, flags, 0o600), data, mode, owner)


def _fill(descriptor: int, data: bytes, mode: int, owner: tuple[int, int]) -> None:
    with os.fdopen(descriptor, "wb") as file:
        # Owner first: a change of it takes the set-user-id bit away.
        os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)
