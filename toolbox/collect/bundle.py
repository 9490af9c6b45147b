# SPDX-License-Identifier: Apache-2.0
"""The archive: a tar, packed, maybe encrypted, written in one go as its members come."""

from __future__ import annotations

import contextlib
import io
import tarfile
from typing import TYPE_CHECKING, Any, Literal

from toolbox.collect.encryption import Encrypted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolbox.collect.sink import Sink

Form = Literal["zst", "gz"]


class Bundle:
    """Members below `directory`; `close` makes it whole, `abandon` leaves it as it is."""

    def __init__(self, sink: Sink, directory: str, form: Form, keys: Sequence[Any] = ()) -> None:
        self._directory = directory
        self._sink = sink
        self._outlet = _Outlet(sink)
        self._encrypted = Encrypted(self._outlet, list(keys)) if keys else None
        self._packed = _packer(self._encrypted or self._outlet, form)
        self._tar = tarfile.open(  # noqa: SIM115 - closed by close()
            fileobj=self._packed, mode="w|", format=tarfile.PAX_FORMAT
        )

    def add(self, name: str, content: bytes, modified: float) -> int:
        """Write a member; returns how much of it fitted where the disk became full meanwhile."""
        member = tarfile.TarInfo(f"{self._directory}/{name}")
        member.size, member.mtime, member.mode = len(content), int(modified), 0o600
        source = _Source(content, self._sink)
        self._tar.addfile(member, source)
        return source.given

    def close(self) -> None:
        self._tar.close()
        self._packed.close()
        if self._encrypted is not None:
            self._encrypted.close()

    def abandon(self) -> None:
        """Write no more, and end what would do so by itself at the end of the process."""
        self._outlet.shut = True
        for part in (self._tar, self._packed, self._encrypted):
            if part is not None:
                with contextlib.suppress(Exception):  # what went wrong is known already
                    part.close()


class _Outlet:
    """What the archive is written to; once it is shut, nowhere."""

    def __init__(self, sink: Sink) -> None:
        self.shut = False
        self._sink = sink

    def write(self, data: bytes) -> int:
        return len(data) if self.shut else self._sink.write(data)


class _Source(io.RawIOBase):
    """A member's bytes; zeros, which pack to nothing, once there is no room for more."""

    def __init__(self, content: bytes, sink: Sink) -> None:
        super().__init__()
        self._left = memoryview(content)
        self._sink = sink
        self._full_before = sink.full
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        size = len(self._left) if size < 0 else size
        chunk, self._left = bytes(self._left[:size]), self._left[size:]
        if self._sink.full and not self._full_before:
            return bytes(len(chunk))
        self.given += len(chunk)
        return chunk


def _packer(target: Any, form: Form) -> Any:
    if form == "gz":
        import gzip

        return gzip.GzipFile(fileobj=target, mode="wb", compresslevel=6, filename="", mtime=0)
    from backports import zstd

    return zstd.ZstdFile(target, "wb", level=6)
