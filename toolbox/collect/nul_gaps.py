# SPDX-License-Identifier: Apache-2.0
"""Runs of NUL bytes in a log, which a crash leaves where blocks were lost.

The text before and after them is kept; the gap is named. What has many NULs between its other
bytes is no log, but binary.
"""

from __future__ import annotations

import re
from typing import Final

LOST: Final = 64  # a run of so many is a gap, in whatever it stands
_FEW: Final = 256  # of so many bytes one may be a stray NUL
_NEAR: Final = 32
_NO_TEXT: Final = re.compile(rb"[\x01-\x06\x0e-\x1a\x1c-\x1f]")
_RUN: Final = re.compile(rb"\0+")
_GAP: Final = re.compile(rb"\0{%d,}" % LOST)


class NulGaps:
    """Names gaps in a stream that comes in pieces; a run may go on in the next."""

    def __init__(self) -> None:
        self._pending = 0

    def feed(self, chunk: bytes) -> bytes:
        """The text with its gaps named, but for a run at its end."""
        stripped = chunk.rstrip(b"\0")
        begin = len(stripped) - len(stripped.lstrip(b"\0"))
        if not stripped:
            self._pending += len(chunk)
            return b""
        named = self.finish(begin) + _RUN.sub(lambda run: _name(len(run[0])), stripped[begin:])
        self._pending = len(chunk) - len(stripped)
        return named

    def finish(self, more: int = 0) -> bytes:
        """The run at the end of what has come, and `more` of it."""
        length, self._pending = self._pending + more, 0
        return _name(length) if length else b""


def is_binary(piece: bytes) -> bool:
    """Whether it is something else than text with gaps in it."""
    text = _GAP.sub(b"", piece)
    return text.count(b"\0") * _FEW > len(text)


def binary_from(piece: bytes) -> int:
    """Where text ends and something else begins; the length of `piece` where nothing does.

    A NUL that strayed into a line has text around it; in what is binary, other bytes that no text
    has are near.
    """
    for run in _RUN.finditer(piece):
        around = piece[max(run.start() - _NEAR, 0) : run.end() + _NEAR]
        if run.end() - run.start() < LOST and _NO_TEXT.search(around):
            return run.start()
    return len(piece)


def _name(length: int) -> bytes:
    name = b"[%d NUL byte%s]" % (length, b"s" if length > 1 else b"")
    return b"\n%s\n" % name if length >= LOST else name
