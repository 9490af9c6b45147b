# SPDX-License-Identifier: Apache-2.0
"""What detached work printed: both streams in one file, in order, of bounded size.

The file is a row of chunks, each with its stream and its length before it, so that nothing of a
binary output changes and each stream comes out where it belongs. When the file is full it becomes
FILE.1, and a new one begins: the last part is kept, up to twice `LIMIT`.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LIMIT: Final = 8 << 20  # bytes
HEAD: Final = struct.Struct(">BI")  # the stream's descriptor, and how many bytes follow
POLL: Final = 0.2  # seconds


class Writer:
    """Appends chunks to `path`."""

    def __init__(self, path: Path, *, limit: int = LIMIT) -> None:
        self._path, self._limit = path, limit
        self._descriptor, self._size = _made(path), 0

    def write(self, stream: int, data: bytes) -> None:
        """Keep `data` of stream 1 or 2; a disk that is full loses it, and nothing else."""
        with contextlib.suppress(OSError):
            if self._size + len(data) > self._limit and self._size:
                self._begin_anew()
            self._append(HEAD.pack(stream, len(data)) + data)

    def close(self) -> None:
        os.close(self._descriptor)

    def _append(self, chunk: bytes) -> None:
        written = 0
        try:
            written = os.write(self._descriptor, chunk)
        finally:
            # A head that promises more than follows would make the next chunks its data.
            if written < len(chunk):
                os.ftruncate(self._descriptor, self._size)
        if written == len(chunk):
            self._size += written

    def _begin_anew(self) -> None:
        """Put a new file in the place of the full one, which stays if there is no room for it."""
        new = self._path.with_name(f"{self._path.name}.new")
        descriptor = _made(new)
        self._path.replace(_older(self._path))
        new.replace(self._path)
        self.close()
        self._descriptor, self._size = descriptor, 0


def read(path: Path) -> Iterator[tuple[int, bytes]]:
    """Every chunk that is there: (stream, data)."""
    for place in (_older(path), path):
        with contextlib.suppress(FileNotFoundError), place.open("rb") as source:
            yield from _chunks(source.fileno())


def follow(path: Path, going: Callable[[], bool]) -> Iterator[tuple[int, bytes]]:
    """Every chunk that is there, and those to come while `going`."""
    with contextlib.suppress(FileNotFoundError), _older(path).open("rb") as source:
        yield from _chunks(source.fileno())
    more = True
    while more:
        more = going()  # asked before reading: what came until the end is still read
        try:
            source = path.open("rb")
        except FileNotFoundError:  # not yet, or between the two names of a change of files
            time.sleep(POLL)
            continue
        with source:
            yield from _chunks(source.fileno())
            while going() and _same(source.fileno(), path):
                time.sleep(POLL)
                yield from _chunks(source.fileno())
            yield from _chunks(source.fileno())
            more = not _same(source.fileno(), path)


def _chunks(descriptor: int) -> Iterator[tuple[int, bytes]]:
    """The whole chunks from here on, up to what is none; half a one is left for the next time."""
    while True:
        here = os.lseek(descriptor, 0, os.SEEK_CUR)
        head = os.read(descriptor, HEAD.size)
        stream, length = HEAD.unpack(head) if len(head) == HEAD.size else (0, 0)
        # What a damaged log calls a stream is written to, and what it calls a length is read.
        sound = stream in (1, 2) and 0 < length <= LIMIT
        data = os.read(descriptor, length) if sound else b""
        if not sound or len(data) < length:
            os.lseek(descriptor, here, os.SEEK_SET)
            return
        yield stream, data


def _same(descriptor: int, path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    return True  # it is being renamed at this moment


def _made(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_APPEND
    return os.open(path, flags, 0o600)


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")
