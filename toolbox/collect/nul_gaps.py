# SPDX-License-Identifier: Apache-2.0
"""Runs of NUL bytes in a log, which a crash leaves where blocks were lost.

The lines before and after them are kept; the gap is named. What has many NULs between its other
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
    """Names gaps in a stream that comes in pieces; a run may go on in the next.

    A NUL that strayed into a line is dropped, so that what it stood in is searched as a whole. Of a
    line that a gap cuts the rest is dropped: a secret may have begun before.
    """

    def __init__(self) -> None:
        self._pending = 0
        self._last = b"\n"
        self._cut = False

    def feed(self, chunk: bytes) -> bytes:
        """The text with its gaps named, but for a run at its end."""
        out, position = b"", 0
        for run in _RUN.finditer(chunk):
            out += self._text(chunk[position : run.start()])
            self._pending += len(run[0])
            position = run.end()
        return out + self._text(chunk[position:])

    def finish(self) -> bytes:
        """The run at the end of what has come."""
        length, self._pending = self._pending, 0
        if length < LOST:
            return b""
        self._cut = self._last != b"\n"
        return b"\n[%d NUL bytes]\n" % length

    def _text(self, text: bytes) -> bytes:
        if not text:
            return b""
        gap = self.finish()
        self._last = text[-1:]
        if self._cut:
            _, newline, text = text.partition(b"\n")
            self._cut = not newline
        return gap + text


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
