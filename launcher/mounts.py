# SPDX-License-Identifier: Apache-2.0
"""mount(2), umount2(2) and setns(2) by ctypes: these hosts need not have mount(8) or nsenter(1)."""

from __future__ import annotations

import ctypes
import functools
import os
from typing import Any, Final

# include/uapi/linux/mount.h
MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_NOSYMFOLLOW: Final = 256  # since 5.10; an older kernel takes no notice of it
MNT_DETACH: Final = 2
# include/uapi/linux/sched.h
CLONE_NEWNS: Final = 0x00020000


@functools.cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, path: str | None = None) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def mount(source: str, target: str, kind: str, options: str, flags: int = 0) -> None:
    """Mount a file system; `options` is the data that it reads itself."""
    arguments = (os.fsencode(source), os.fsencode(target), kind.encode())
    _check(_libc().mount(*arguments, ctypes.c_ulong(flags), options.encode()), target)


def detach(target: str) -> None:
    """Lazily unmount all that is stacked at `target`; nothing there is no error."""
    while os.path.ismount(target):
        _check(_libc().umount2(os.fsencode(target), MNT_DETACH), target)


def setns(fd: int, kind: int) -> None:
    """Join the namespace behind `fd`; the caller must be single-threaded for a mount namespace."""
    _check(_libc().setns(fd, kind))
