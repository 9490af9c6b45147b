# SPDX-License-Identifier: Apache-2.0
"""The spool: blobs on disk, taken up where a broken or killed pull left them, and verified.

`<hex>` is whole, `<hex>.partial` is on its way. Both are hashed again before they are used, so a
power cut in the middle of a write costs a download at most.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING, Final, Self

from launcher import files
from launcher.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from launcher.registry.manifests import Descriptor

CHUNK: Final = 256 * 1024
MARGIN: Final = 4 * 1024 * 1024  # bytes that are left free for everybody else


class Spool:
    """A directory of blobs for one image at a time."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, blob: Descriptor) -> Path:
        return self.directory / blob.digest.removeprefix("sha256:")

    def partial(self, blob: Descriptor) -> Path:
        return self.path(blob).with_suffix(".partial")

    def prepare(self, blobs: Iterable[Descriptor]) -> None:
        """Make room for `blobs`, dropping other images' ones; `HostError` when it is too little."""
        files.own_directory(self.directory, mode=0o700)
        blobs = tuple(blobs)
        wanted = {path for blob in blobs for path in (self.path(blob), self.partial(blob))}
        with files.explained(self.directory):
            for path in self.directory.iterdir():
                if path not in wanted:
                    path.unlink(missing_ok=True)
        self._check_space(sum(max(blob.size - self._on_disk(blob), 0) for blob in blobs))

    def has(self, blob: Descriptor) -> bool:
        """Tell whether the whole blob is here, and is what its digest says."""
        path = self.path(blob)
        with files.explained(path):
            if not path.exists():
                return False
            if path.stat().st_size == blob.size and self._hash(path) == blob.digest:
                return True
            path.unlink()
        return False

    def read(self, blob: Descriptor) -> Iterator[bytes]:
        with self.path(blob).open("rb") as stream:
            while chunk := stream.read(CHUNK):
                yield chunk

    def clear(self) -> None:
        """Drop everything; a spool that is not there is clear."""
        with contextlib.suppress(FileNotFoundError), files.explained(self.directory):
            for path in self.directory.iterdir():
                path.unlink(missing_ok=True)

    def _hash(self, path: Path) -> str:
        found = hashlib.sha256()
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                found.update(chunk)
        return "sha256:" + found.hexdigest()

    def _on_disk(self, blob: Descriptor) -> int:
        for path in (self.path(blob), self.partial(blob)):
            with contextlib.suppress(FileNotFoundError):
                return path.stat().st_size
        return 0

    def _check_space(self, needed: int) -> None:
        status = os.statvfs(self.directory)
        free = status.f_bavail * status.f_frsize
        short = needed + MARGIN - free
        if needed and short > 0:
            raise HostError(
                "host.disk-full",
                f"the image needs {_mb(needed)} more in {self.directory}, which has "
                f"{_mb(free)} free: {_mb(short)} are missing",
                f"Free space on the file system that holds {self.directory}.",
                needed=needed,
                free=free,
            )


class Partial:
    """A blob on its way to disk: use as a context, `append` what comes, then `finish`."""

    def __init__(self, spool: Spool, blob: Descriptor) -> None:
        self._spool = spool
        self._blob = blob
        self._path = spool.partial(blob)
        self._hash = hashlib.sha256()
        self.offset = 0

    def __enter__(self) -> Self:
        """Open it and read again what an earlier try left."""
        with files.explained(self._path):
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            self._stream = os.fdopen(fd, "r+b", buffering=0)
            while chunk := self._stream.read(CHUNK):
                self._hash.update(chunk)
                self.offset += len(chunk)
        if self.offset > self._blob.size:
            self.restart()
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def restart(self) -> None:
        """Forget what is there."""
        self._stream.seek(0)
        self._stream.truncate()
        self._hash = hashlib.sha256()
        self.offset = 0

    def append(self, chunk: bytes) -> None:
        with files.explained(self._path):
            view = memoryview(chunk)
            while view:
                view = view[self._stream.write(view) :]
        self._hash.update(chunk)
        self.offset += len(chunk)

    def finish(self) -> bool:
        """Give it its final name if it is what its digest says; else forget it and tell False."""
        if "sha256:" + self._hash.hexdigest() != self._blob.digest:
            self.restart()
            return False
        with files.explained(self._path):
            self._path.rename(self._spool.path(self._blob))
        return True


def _mb(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
