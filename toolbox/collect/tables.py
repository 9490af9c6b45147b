# SPDX-License-Identifier: Apache-2.0
"""Lists and maps over several lines, of which the names stay where they are no secrets."""

from __future__ import annotations

import re
from typing import Final

from toolbox.collect.names import NEUTRAL
from toolbox.collect.patterns import MARK
from toolbox.collect.spans import BRACKETS, Span, column, indent, marked

_VALUE: Final = re.compile(rb"""(?P<k>["']?value["']?\s{0,8}[:=]\s{0,8})[^\n]*+""", re.IGNORECASE)
_ASSIGNED: Final = re.compile(rb"""^\s*+(?:-\s{1,8})?["']?[\w.\-]{1,200}\s{0,8}[:=](?=.)""")
_BARE_NAME: Final = re.compile(
    rb"""^(?:-\s+)?["']?(?:name["']?\s*:.*|[\w.\-]+["']?:|[{}\[\]],?)$"""
)
_NEUTRAL: Final = re.compile(
    rb"""^\s*+(?:-\s{1,8})?["']?""" + NEUTRAL + rb"""["']?\s{0,8}:""", re.IGNORECASE
)


class Members(Span):
    """What belongs to a name by indentation: a map, a list, or else the next line alone.

    What only says which secret it is stays.
    """

    def __init__(self, beginning: bytes) -> None:
        self._indent = column(beginning)
        self._listed = False
        self._first = True

    def __call__(self, line: bytes) -> bytes | None:
        first, self._first = self._first, False
        bare = line.strip()
        if self.yields or (first and bare in BRACKETS):
            return None
        if bare in BRACKETS and indent(line) > self._indent:
            return line
        if first:
            self._listed = bare.startswith(b"-")
            self.yields = not self._belongs(line, bare)
        elif bare and not self._belongs(line, bare):
            return None
        return line if not bare or _NEUTRAL.match(line) else marked(line)

    def _belongs(self, line: bytes, bare: bytes) -> bool:
        depth = indent(line)
        return depth > self._indent or (
            depth == self._indent and self._listed and bare.startswith(b"-")
        )


class Value(Span):
    """`value:` in one of the next lines, after `name: DB_PASSWORD`."""

    yields = True

    def __init__(self) -> None:
        self._left = 3

    def __call__(self, line: bytes) -> bytes | None:
        self._left -= 1
        if self._left < 0 or line.strip() in (b"}", b"},"):
            return None
        found = _VALUE.search(line)
        if found is None:
            return line
        self._left = 0
        return line[: found.end("k")] + MARK + _comma(line)


class Environment(Span):
    """The values of a list or table of variables; their names stay."""

    def __init__(self, beginning: bytes, *, in_list: bool) -> None:
        self._indent = indent(beginning)
        self._in_list = in_list

    def __call__(self, line: bytes) -> bytes | None:
        bare = line.strip()
        if not bare or self._ends(line, bare):
            return None
        if _BARE_NAME.match(bare):
            return line
        found = _ASSIGNED.match(line)
        return (line[: found.end()] if found else b"") + MARK + _comma(line)

    def _ends(self, line: bytes, bare: bytes) -> bool:
        if self._in_list:
            return bare.startswith(b"]")
        depth = indent(line)
        return depth < self._indent or (depth == self._indent and not bare.startswith(b"-"))


def _comma(line: bytes) -> bytes:
    return b"," if line.rstrip().endswith(b",") else b""
