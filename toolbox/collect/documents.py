# SPDX-License-Identifier: Apache-2.0
"""`file` and `glob`: files of the host, opened once and judged by what was opened."""

from __future__ import annotations

import dataclasses
import glob
import gzip
import os
import stat
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from toolbox.collect import withheld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from toolbox.collect.item import Item, Outcome, Status
    from toolbox.collect.sieve import Sieve

_MOST_MATCHES: Final = 200
_GZIP: Final = b"\x1f\x8b"


def expand(item: Item) -> Iterator[Item]:
    """A pattern as the files that match it now, the newest first and not more than 200."""
    # Not Path.glob, which follows other rules than a shell: hidden files stay hidden here.
    found = glob.glob(item.argument[0], recursive=True)  # noqa: PTH207
    files = sorted(filter(_is_no_directory, found), key=_modified, reverse=True)
    for path in files[:_MOST_MATCHES]:
        name = f"{item.name}{_in_bundle(path)}"
        yield dataclasses.replace(item, kind="file", name=name, argument=(path,))


def read(item: Item, sieve: Sieve) -> Outcome:
    """One file; nothing waits for a pipe or a device, and no secret file is read by a link."""
    path = item.argument[0]
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError:
        return sieve.outcome("absent", f"there is no {path}")
    except OSError as error:
        return sieve.outcome("failed", f"{path}: {error.strerror}")
    with os.fdopen(fd, "rb", buffering=0) as stream:
        real = str(Path(f"/proc/self/fd/{fd}").readlink())
        if why := withheld.reason(real) or withheld.reason(path):
            return sieve.outcome("refused", why)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return sieve.outcome("refused", f"{path} is no regular file")
        try:
            return _content(item, sieve, stream.read)
        except OSError as error:
            return sieve.outcome("failed", f"{path}: {error.strerror}")


def _content(item: Item, sieve: Sieve, read: Callable[[int], bytes]) -> Outcome:
    beginning = read(1 << 16)
    if beginning.startswith(_GZIP) and not item.binary:
        return _unpacked(sieve, beginning, read)
    sieve.add(beginning)
    return _ended(sieve, sieve.drain(read))


def _unpacked(sieve: Sieve, beginning: bytes, read: Callable[[int], bytes]) -> Outcome:
    """What is in a gzip file, as text: its packed form would carry secrets past us."""
    source: Any = _Again(beginning, read)
    stream = gzip.GzipFile(fileobj=source, mode="rb")
    try:
        ended = _ended(sieve, sieve.drain(stream.read))
    except (OSError, EOFError, zlib.error) as error:
        return sieve.outcome("failed", f"damaged gzip: {error}")
    return dataclasses.replace(ended, note=ended.note or "unpacked from gzip")


class _Again:
    """A stream whose beginning was read already."""

    def __init__(self, beginning: bytes, read: Callable[[int], bytes]) -> None:
        self._beginning, self._read = beginning, read

    def read(self, size: int = -1) -> bytes:
        if not self._beginning:
            return self._read(size if size >= 0 else 1 << 16)
        size = len(self._beginning) if size < 0 else size
        chunk, self._beginning = self._beginning[:size], self._beginning[size:]
        return chunk


def _ended(sieve: Sieve, status: Status) -> Outcome:
    notes = {"timeout": "given up in the middle", "endless": f"read to {sieve.most >> 20} MiB"}
    return sieve.outcome(status, notes.get(status, ""))


def _in_bundle(path: str) -> str:
    """The path as a name: nothing in it leads out of the bundle."""
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    return "/" + "/".join("".join(c if c.isprintable() else "_" for c in part) for part in parts)


def _is_no_directory(path: str) -> bool:
    return not Path(path).is_dir()


def _modified(path: str) -> float:
    try:
        return Path(path).lstat().st_mtime
    except OSError:
        return 0.0
