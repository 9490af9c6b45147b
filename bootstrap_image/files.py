# SPDX-License-Identifier: Apache-2.0
"""Directories of ours, entered without following links, and files in them that are never half.

Who could plant a link in a directory that we write to as root could have us write anywhere.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from pathlib import Path

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class UnsafeError(OSError):
    """A directory or file of ours is a link, or belongs to or is writable by others."""


class Directory:
    """An open directory; what is in it is named relative to it."""

    def __init__(self, descriptor: int, shown: str) -> None:
        self._descriptor = descriptor
        self.shown = shown

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    @classmethod
    def open(cls, base: Path, *names: str, within: int | None = None) -> Self:
        """`base`, which is trusted, and below it one directory after another, made when missing.

        `within` is `base` as it was opened before: something else may be mounted there now.
        """
        place = base if within is None else f"/proc/self/fd/{within}"
        directory = cls(os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), str(base))
        for name in names:
            with directory:
                directory = directory.enter(name)
        return directory

    def enter(self, name: str) -> Self:
        """A directory in this one, for nobody but us."""
        shown = f"{self.shown}/{name}"
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=self._descriptor)
            # A file that is on the disk in a directory that is not would be lost as well.
            os.fsync(self._descriptor)
        try:
            descriptor = os.open(name, _DIRECTORY, dir_fd=self._descriptor)
        except OSError as error:
            raise UnsafeError(error.errno, f"{shown} is no directory, or a link") from error
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            os.close(descriptor)
            raise UnsafeError(1, f"{shown} belongs to, or is writable by, others")
        return type(self)(descriptor, shown)

    def read(self, name: str, *, limit: int) -> bytes:
        """A plain file of ours, at most `limit` bytes of it."""
        with os.fdopen(os.open(name, _READ, dir_fd=self._descriptor), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                raise UnsafeError(1, f"{self.shown}/{name} is no file of ours")
            return file.read(limit)

    def write(self, name: str, text: str, *, durable: bool = True) -> None:
        self.write_bytes(name, text.encode(errors="replace"), durable=durable)

    def write_bytes(self, name: str, data: bytes, *, durable: bool = True) -> None:
        """Replace a file: beside it, to the disk, then by rename, and that to the disk as well."""
        fresh = f".{name}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh, dir_fd=self._descriptor)
        try:
            descriptor = os.open(fresh, _WRITE, 0o600, dir_fd=self._descriptor)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                if durable:
                    os.fsync(descriptor)
            os.rename(fresh, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(fresh, dir_fd=self._descriptor)
            raise
        if durable:
            os.fsync(self._descriptor)

    def reserve(self, name: str, size: int) -> None:
        """A file that only takes place: removed when the last result would not fit any more."""
        with contextlib.suppress(OSError):
            descriptor = os.open(name, _WRITE, 0o600, dir_fd=self._descriptor)
            with os.fdopen(descriptor, "wb"):
                os.posix_fallocate(descriptor, 0, size)

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._descriptor)
