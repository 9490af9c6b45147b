# SPDX-License-Identifier: Apache-2.0
"""Secrets over several lines: each kind of span is given the lines after the one that began it."""

from __future__ import annotations

import abc
import re
from typing import Final

from toolbox.collect.patterns import MARK

_ITEM: Final = re.compile(rb"^\s*+(?:-\s{1,8})*")
BRACKETS: Final = (b"", b"{", b"}", b"},", b"}]", b"[", b"]", b"],")


class Span(abc.ABC):
    """Answers each line with what of it may be shown, or with nothing when it was over before."""

    # Whether another span may begin on the line that was given last.
    yields = False

    @abc.abstractmethod
    def __call__(self, line: bytes) -> bytes | None: ...


class Key(Span):
    """The state of being within a private key, which is dealt with before anything else."""

    def __call__(self, _line: bytes) -> bytes:
        return MARK


class Until(Span):
    """Every line up to the one that has `end`."""

    def __init__(self, end: bytes) -> None:
        self._end = end

    def __call__(self, line: bytes) -> bytes | None:
        if self.yields:
            return None
        before, end, rest = line.partition(self._end)
        if not end:
            return marked(line)
        self.yields = True
        return (marked(before) if before.strip() else before) + end + rest


class Text(Span):
    """A block of text: every line that is further in than the one that began it."""

    def __init__(self, beginning: bytes) -> None:
        self._indent = column(beginning)

    def __call__(self, line: bytes) -> bytes | None:
        if line.strip() and indent(line) <= self._indent:
            return None
        return marked(line) if line.strip() else line


class Next(Span):
    """The next line, whatever it is; nothing but an opening bracket, or a key of its own."""

    def __call__(self, line: bytes) -> bytes | None:
        if self.yields or line.strip() in BRACKETS:
            return None
        self.yields = True
        return marked(line)


class Continued(Span):
    """The lines of which each but the last ends with a backslash."""

    def __call__(self, line: bytes) -> bytes | None:
        if self.yields:
            return None
        self.yields = not line.rstrip().endswith(b"\\")
        return marked(line)


def indent(line: bytes) -> int:
    return len(line) - len(line.lstrip())


def column(line: bytes) -> int:
    """Where the name stands that begins something, also as the first of an item of a list."""
    found = _ITEM.match(line)
    return found.end() if found else 0


def marked(line: bytes) -> bytes:
    """The line's place without its content."""
    return line[: indent(line)] + MARK
