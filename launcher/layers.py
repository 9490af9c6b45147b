# SPDX-License-Identifier: Apache-2.0
"""Layers of images, measured before an engine unpacks them: how much disk they would take."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import zlib
from typing import IO, TYPE_CHECKING, Any, Final, cast

from launcher.tar_headers import TarError, members

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK: Final = 256 * 1024
GZIP: Final = b"\x1f\x8b"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
# What the smallest file takes on most file systems: its block, and its entry and inode.
_FILE_BLOCK: Final = 4096
_ENTRY: Final = 512
# Decoders of other programs know windows of up to 8 MiB (RFC 8878, 3.1.1.1.2); 2^27 is zstd's own.
_ZSTD_WINDOW: Final = 27


class TooLargeError(TarError):
    """It goes beyond what the caller allows."""


@dataclasses.dataclass(slots=True)
class Budget:
    """What layers may still have: bytes once unpacked, and members."""

    unpacked: int
    members: int


@dataclasses.dataclass(frozen=True, slots=True)
class Layer:
    """`digest` and `size` are those of the blob, `diff_id` is that of the tar in it.

    `compression` is `gzip`, `zstd` or nothing; `needs` is about how many bytes of disk its files
    take, `members` how many there are.
    """

    digest: str
    size: int
    diff_id: str
    compression: str
    needs: int
    members: int


def measure(blob: IO[bytes], budget: Budget) -> Layer:
    """Unpack a layer into nothing; `TarError` for what no engine should be given.

    What it has is taken from the budget; `TooLargeError` when that does not suffice.
    """
    packed = _Hashed(blob)
    with contextlib.ExitStack() as stack:
        compression, plain = _unpacked(packed, blob.read(4), stack)
        tar = plain if plain is packed else _Hashed(plain)
        tar.budget = budget
        try:
            needs, count = _walk(tar, budget)
            tar.drain()
            packed.drain()
        except (EOFError, OSError, zlib.error, _zstd_error()) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            raise TarError("a layer in it is damaged") from None
    diff_id = tar.digest()
    return Layer(packed.digest(), packed.size, diff_id, compression, needs, count)


def _walk(tar: _Hashed, budget: Budget) -> tuple[int, int]:
    needs = count = 0
    try:
        for member in members(tar, budget.members):
            needs += _ENTRY + -(-member.size // _FILE_BLOCK) * _FILE_BLOCK
            count += 1
    except TooLargeError:
        raise
    except TarError as error:
        raise TarError(f"a layer: {error}") from None
    budget.members -= count
    return needs, count


def _unpacked(packed: _Hashed, start: bytes, stack: contextlib.ExitStack) -> tuple[str, Any]:
    """What is in the blob, by how it begins: engines look at that as well."""
    packed.begin(start)
    if start.startswith(GZIP):
        import gzip

        return "gzip", stack.enter_context(
            gzip.GzipFile(mode="rb", fileobj=cast("IO[bytes]", packed))
        )
    if start == ZSTD:
        zstd = _zstd()
        options = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW}
        return "zstd", stack.enter_context(zstd.ZstdFile(packed, options=options))
    return "", packed


def _zstd() -> Any:
    import sys

    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def _zstd_error() -> type[Exception]:
    error: type[Exception] = _zstd().ZstdError
    return error


class _Hashed:
    """A stream that is read once, from its start to its end; `read` gives less only there."""

    def __init__(self, stream: Any) -> None:
        import hashlib

        self._stream = stream
        self._found = hashlib.sha256()
        self._start = b""
        self.size = 0
        self.budget: Budget | None = None

    def begin(self, start: bytes) -> None:
        """Give back what was read of the stream already."""
        self._start = start

    def read(self, size: int = CHUNK, /) -> bytes:
        data = self._start[:size]
        self._start = self._start[len(data) :]
        if len(data) < size:
            data += self._stream.read(size - len(data))
        self._found.update(data)
        self.size += len(data)
        if self.budget is not None:
            self.budget.unpacked -= len(data)
            if self.budget.unpacked < 0:
                raise TooLargeError("its layers unpack to too much")
        return data

    def skip(self, size: int) -> None:
        while size > 0:
            data = self.read(min(size, CHUNK))
            if not data:
                raise TarError("it is cut off")
            size -= len(data)

    def drain(self) -> None:
        while self.read():
            pass

    def digest(self) -> str:
        return "sha256:" + self._found.hexdigest()


class Section(io.RawIOBase):
    """A part of a file that can be sought in, as a file of its own."""

    def __init__(self, stream: IO[bytes], start: int, size: int) -> None:
        self._stream = stream
        self._place = start
        self._end = start + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)[: max(0, self._end - self._place)]
        self._stream.seek(self._place)
        data = self._stream.read(len(view))
        view[: len(data)] = data
        self._place += len(data)
        return len(data)

    def chunks(self) -> Iterator[bytes]:
        while chunk := self.read(CHUNK):
            yield chunk
