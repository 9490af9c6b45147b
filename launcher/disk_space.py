# SPDX-License-Identifier: Apache-2.0
"""Room on a disk, of which some is always left: a host whose disk is full is a sick host."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from launcher.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path

_MIB: Final = 2**20
# Of a small file system no more is kept than this share.
_SHARE: Final = 20


def check(path: Path, needs: int, *, files: int = 0, reserve: int) -> None:
    """`HostError("host.disk-full")` unless so much fits below `path` and `reserve` stays free."""
    while not path.exists():
        path = path.parent
    found = os.statvfs(path)
    kept = min(reserve, found.f_blocks * found.f_frsize // _SHARE)
    free = found.f_bavail * found.f_frsize
    if needs > free - kept:
        message = (
            f"not enough room at {path}: {_mib(needs)} are needed, {_mib(free)} are free, "
            f"and {_mib(kept)} of them are kept free"
        )
        hint = f"Free space on the file system that holds {path}."
        raise HostError("host.disk-full", message, hint)
    if found.f_files and files > found.f_favail - found.f_files // _SHARE:
        message = f"not enough room at {path}: {files} files are needed, {found.f_favail} fit"
        raise HostError("host.disk-full", message, f"Remove files on the file system of {path}.")


def _mib(size: int) -> str:
    return f"{-(-size // _MIB)} MiB"
