# SPDX-License-Identifier: Apache-2.0
"""Lists and maps over several lines, of which the names stay where they are no secrets."""

from __future__ import annotations

import re
from typing import Final

from toolbox.collect.names import NAMED, NEUTRAL
from toolbox.collect.patterns import MARK
from toolbox.collect.spans import BRACKETS, Span, column, indent, marked

_VALUE: Final = re.compile(rb"""(?P<k>["']?value["']?\s{0,8}[:=]\s{0,8})[^\n]*+""", re.IGNORECASE)
_DEFAULT: Final = re.compile(rb"""(?P<k>default\s{0,8}=\s{0,8})[^\n]*+""", re.IGNORECASE)
_MEMBER: Final = re.compile(
    rb"""^(?P<k>\s*+["']?[\w.\-/]{1,256}["']?\s{0,8}[:=]\s{0,8})(?P<v>\S.*?)(?P<c>,?\s*+)$"""
)
_TEXT_OF: Final = re.compile(rb"^(?P<k>\s*+(?:<[a-z]{1,16}>\s*+){1,3})[^<]++", re.IGNORECASE)
_BASE64: Final = re.compile(rb"(?=.*[A-Z])(?=.*[a-z])[A-Za-z0-9+/]{7,}={0,2}")
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

    def __init__(self, name: bytes = b"value") -> None:
        self._left = 3
        self._value = _VALUE if name == b"value" else _DEFAULT

    def __call__(self, line: bytes) -> bytes | None:
        self._left -= 1
        if self._left < 0 or line.strip() in (b"}", b"},"):
            return None
        found = self._value.search(line)
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


class Data(Span):
    """Members of `data` or `stringData` of a manifest, by indentation.

    Not every `data` is a Secret's: there the values are base64, and what is not stays.
    """

    def __init__(self, beginning: bytes, *, whole: bool) -> None:
        self._indent = column(beginning)
        self._whole = whole
        self._block = False

    def __call__(self, line: bytes) -> bytes | None:
        bare = line.strip()
        if not bare:
            return line
        if indent(line) <= self._indent:
            return None
        found = _MEMBER.match(line)
        if found is None:  # a line of a block of text
            return marked(line) if self._whole else line
        value = found["v"].strip(b"\"'")
        secret = self._whole or (_BASE64.fullmatch(value) and len(value) % 4 == 0)
        return found["k"] + MARK + found["c"] if secret and value[:1] not in b"|>" else line


class Section(Span):
    """All settings of a section that is called after secrets, up to the next section."""

    def __call__(self, line: bytes) -> bytes | None:
        bare = line.strip()
        if bare.startswith(b"[") or len(bare) > 4096:
            return None
        found = _MEMBER.match(line)
        return line if not bare or bare[:1] in b"#;" or found is None else found["k"] + MARK


class Element(Span):
    """The text of the element after `<key>password</key>`."""

    def __call__(self, line: bytes) -> bytes | None:
        found = None if self.yields else _TEXT_OF.match(line)
        if found is None:
            return None
        self.yields = True
        return found["k"] + MARK + line[found.end() :]


class Rows(Span):
    """Rows below a header that has a secret's name in it; the other columns stay."""

    def __init__(self, header: bytes, separator: bytes) -> None:
        names = [name.strip(b" \"'").lower() for name in header.split(separator)]
        self._separator, self._count = separator, len(names)
        self._columns = [number for number, name in enumerate(names) if NAMED.search(name)]

    def __call__(self, line: bytes) -> bytes | None:
        cells = line.split(self._separator)
        if len(cells) != self._count:
            return None
        for number in self._columns:
            cells[number] = MARK
        return self._separator.join(cells)


def _comma(line: bytes) -> bytes:
    return b"," if line.rstrip().endswith(b",") else b""
