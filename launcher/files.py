# SPDX-License-Identifier: Apache-2.0
"""Files of the launcher: written whole or not at all, in directories that are its own."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from launcher.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOM: Final = 64 * 2**10  # bytes


def write(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace `path` by `data`: temp, fsync, rename, so that readers see the old or the new."""
    import tempfile  # loads random and hashlib, which a mere look at the door does not need

    with explained(path.parent):
        fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(fd, "wb") as stream:
                os.fchmod(stream.fileno(), mode)
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)


def own_directory(path: Path, *, mode: int = 0o755) -> Path:
    """Make `path` (and its parents) a directory of root that only root can change.

    `HostError` when it is a link, belongs to someone else or is writable by others: then what
    lies in it could be swapped under us.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=mode)
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode):
            problem = "is not a directory"
        elif status.st_uid != os.geteuid():
            problem = f"belongs to uid {status.st_uid}"
        elif status.st_mode & 0o022:
            problem = f"is writable by others (mode {stat.S_IMODE(status.st_mode):04o})"
        else:
            path.chmod(mode)
            return path
    raise _unsafe(path, problem)


def read_own(path: Path, *, limit: int) -> bytes:
    """At most `limit` bytes of a file that root wrote, in a directory that only root can change.

    `HostError` when either is a link, belongs to someone else or is writable by others, or when
    there is more; `FileNotFoundError` when there is none.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    directory = _open_own(path.parent, flags | os.O_DIRECTORY, stat.S_ISDIR)
    try:
        file = _open_own(path, flags | os.O_NONBLOCK, stat.S_ISREG, directory)
    finally:
        os.close(directory)
    with os.fdopen(file, "rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise _unsafe(path, f"is larger than {limit} bytes")
    return data


def _open_own(
    path: Path, flags: int, kind: Callable[[int], bool], directory: int | None = None
) -> int:
    try:
        name = path if directory is None else path.name
        descriptor = os.open(name, flags, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise _unsafe(path, "is a link, or no directory") from None
        raise
    status = os.fstat(descriptor)
    if kind(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022:
        return descriptor
    os.close(descriptor)
    raise _unsafe(path, "is no plain file, or belongs to others, or is writable by them")


def _unsafe(path: Path, problem: str) -> HostError:
    hint = f"Look at it, then remove {path} and start again."
    return HostError("host.unsafe-path", f"{path} {problem}", hint)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the kernel says about `path` into an error with a hint."""
    try:
        yield
    except OSError as error:
        place = error.filename or path
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            message = f"no space left on the file system of {place}"
            hint = f"Free space on the file system that holds {place}."
            raise HostError("host.disk-full", message, hint) from error
        message = f"cannot write {place}: {error.strerror}"
        hint = "Hatchway needs /run, /var/lib and /var/log writable, and root."
        raise HostError("host.read-only", message, hint) from error


def is_full(path: Path) -> bool:
    """Whether hardly a small file finds room where this directory is."""
    try:
        found = os.statvfs(path)
    except OSError:
        return False
    return found.f_bfree * found.f_frsize < ROOM or (found.f_files > 0 and not found.f_ffree)


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
