# SPDX-License-Identifier: Apache-2.0
"""`file` and `glob`: files of the host, opened once and judged by what was opened.

A path may lead to a server that is dead: a child opens, and can be given up.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import os
import stat
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from launcher import apart
from toolbox.collect import matches, withheld

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolbox.collect.item import Item, Outcome, Status
    from toolbox.collect.sieve import Sieve

_CHUNK: Final = 1 << 16
_GZIP: Final = b"\x1f\x8b"


def expand(item: Item) -> tuple[Item, ...]:
    """A pattern as the files that match it now."""
    found = apart.answer(lambda: matches.newest(item.argument[0]), item.timeout)
    return tuple(
        dataclasses.replace(
            item, kind="file", name=f"{item.name}{_in_bundle(path)}", argument=(path,)
        )
        for path in found
    )


def read(item: Item, sieve: Sieve) -> Outcome:
    """One file; nothing waits for a pipe or a device, and no secret file is read by a link."""
    path = item.argument[0]
    with contextlib.closing(apart.pieces(lambda: _pieces(path), lambda: sieve.seconds_left)) as got:
        try:
            status, note = next(got)
            return sieve.outcome(status, note) if status != "ok" else _content(item, sieve, got)
        except TimeoutError:
            return sieve.outcome("timeout", f"{path} gave no answer in time")
        except OSError as error:
            return sieve.outcome("failed", f"{path}: {error.strerror or error}")


def _pieces(path: str) -> Iterator[Any]:
    """In the child: whether it may be had, as status and note, and then what is in it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError:
        yield "absent", f"there is no {path}"
        return
    with os.fdopen(fd, "rb", buffering=0) as stream:
        real = str(Path(f"/proc/self/fd/{fd}").readlink())
        if why := withheld.reason(real) or withheld.reason(path):
            yield "refused", why
        elif not stat.S_ISREG(os.fstat(fd).st_mode):
            yield "refused", f"{path} is no regular file"
        else:
            yield "ok", ""
            while chunk := stream.read(_CHUNK):
                yield chunk


def _content(item: Item, sieve: Sieve, pieces: Iterator[bytes]) -> Outcome:
    stream = _Stream(pieces)
    if stream.held.startswith(_GZIP) and not item.binary:
        return _unpacked(sieve, stream)
    return _ended(sieve, sieve.drain(stream.read))


def _unpacked(sieve: Sieve, packed: _Stream) -> Outcome:
    """What is in a gzip file, as text: its packed form would carry secrets past us."""
    source: Any = packed
    stream = gzip.GzipFile(fileobj=source, mode="rb")
    try:
        ended = _ended(sieve, sieve.drain(stream.read))
    except TimeoutError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        return sieve.outcome("failed", f"damaged gzip: {error}")
    return dataclasses.replace(ended, note=ended.note or "unpacked from gzip")


class _Stream:
    """What comes in pieces, to be read as a file is; `held` has come and was not read yet."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.held = next(pieces, b"")

    def read(self, size: int = _CHUNK) -> bytes:
        self.held = self.held or next(self._pieces, b"")
        chunk, self.held = self.held[:size], self.held[size:]
        return chunk


def _ended(sieve: Sieve, status: Status) -> Outcome:
    notes = {"timeout": "given up in the middle", "endless": f"read to {sieve.most >> 20} MiB"}
    return sieve.outcome(status, notes.get(status, ""))


def _in_bundle(path: str) -> str:
    """The path as a name: nothing in it leads out of the bundle."""
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    return "/" + "/".join("".join(c if c.isprintable() else "_" for c in part) for part in parts)
