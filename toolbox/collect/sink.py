# SPDX-License-Identifier: Apache-2.0
"""Where a bundle goes: a file that appears when it is whole, or a pipe."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
from typing import TYPE_CHECKING, Final, Protocol

from launcher import files
from launcher.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PARTIAL: Final = ".partial"
# Kept back for the end of the bundle, and given free when the disk is full.
_RESERVE: Final = 4 << 20
# Below so much the host needs it more than we do.
_FLOOR: Final = 128 << 20
_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)


class Sink(Protocol):
    """Takes the bundle's bytes in order; `full` is set when it had to take from its reserve."""

    written: int
    full: bool

    def write(self, data: bytes) -> int: ...

    def room(self) -> int | None:
        """Bytes that may still be written, or None where nobody can say."""

    def finish(self) -> None: ...

    def abort(self) -> None: ...


class OutputLostError(Exception):
    """Standard output takes no more of the bundle; `why` is what the kernel said."""

    def __init__(self, why: OSError) -> None:
        super().__init__(why)
        self.why = why


class PipeSink:
    """Standard output, for a channel that can only pipe."""

    def __init__(self, fd: int) -> None:
        self.written = 0
        self.full = False
        self._fd = fd

    def write(self, data: bytes) -> int:
        try:
            _write_all(self._fd, data)
        except OSError as error:
            raise OutputLostError(error) from error
        self.written += len(data)
        return len(data)

    def room(self) -> int | None:
        return None

    def finish(self) -> None: ...

    def abort(self) -> None: ...


class FileSink:
    """A file beside its place until it is whole; `HostError` where it cannot be made."""

    def __init__(self, path: Path) -> None:
        self.written = 0
        self.full = False
        self.path = path
        self._partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_PARTIAL}")
        with files.explained(path.parent):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._fd = os.open(self._partial, flags, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)  # says that somebody still writes it
        self._reserved = _reserve(path.parent, self._space())

    def write(self, data: bytes) -> int:
        """Write all of it; a disk that has become full gives what was kept back."""
        view = memoryview(data)
        while view:
            try:
                count = os.write(self._fd, view)
            except OSError as error:
                if error.errno not in _NO_SPACE or self.full:
                    self._no_space(error)
                self.full = True
                self._release()
                continue
            view = view[count:]
            self.written += count
        return len(data)

    def room(self) -> int:
        size = os.fstatvfs(self._fd)
        floor = min(_FLOOR, size.f_blocks * size.f_frsize // 20)
        return max(self._space() - floor, 0)

    def finish(self) -> None:
        """Let the file appear under its name, durable; an existing one is not replaced."""
        with files.explained(self.path.parent):
            self._release()
            os.fsync(self._fd)
            _appear(self._partial, self.path)
            directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(directory)
            os.close(directory)
        os.close(self._fd)

    def abort(self) -> None:
        """Leave nothing; harmless when done before."""
        self._release()
        self._partial.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            os.close(self._fd)

    def _space(self) -> int:
        facts = os.fstatvfs(self._fd)
        return facts.f_bavail * facts.f_frsize

    def _release(self) -> None:
        fd, self._reserved = self._reserved, -1
        if fd >= 0:
            os.close(fd)

    def _no_space(self, error: OSError) -> None:
        message = f"no space left on the file system of {self.path}"
        hint = "Stream it instead: `hatchway toolbox collect -`."
        raise HostError("host.disk-full", message, hint) from error


def stale(directory: Path) -> Iterator[Path]:
    """Bundles that a killed or cut-off collection left half written: nobody holds their lock."""
    for path in directory.glob(f".*{_PARTIAL}"):
        with contextlib.suppress(OSError), path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield path


def _reserve(directory: Path, space: int) -> int:
    """A file without a name that holds blocks until it is closed; -1 where none are to spare."""
    import tempfile

    size = min(_RESERVE, space // 4)
    if size < 4096:
        return -1
    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=directory) as ballast:
        os.posix_fallocate(ballast.fileno(), 0, size)
        return os.dup(ballast.fileno())
    return -1


def _appear(partial: Path, path: Path) -> None:
    """Rename, but over nothing; a file system without links cannot promise that."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError:
        partial.replace(path)
    else:
        partial.unlink()


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
