# SPDX-License-Identifier: Apache-2.0
"""What on a line says that a secret stands on the next ones."""

from __future__ import annotations

import re
from typing import Final

from toolbox.collect.names import NAME, NO_REFERENCE
from toolbox.collect.spans import Continued, Next, Span, Text, Until
from toolbox.collect.tables import Data, Element, Environment, Members, Rows, Section, Value

# Of a Secret, and of others that are told apart by what their values look like.
_DATA: Final = re.compile(
    rb"""^\s*+["']?(?P<string>string)?data["']?\s{0,4}:\s{0,4}\{?$""", re.IGNORECASE
)
_SECTION: Final = re.compile(
    rb"""^\s*+\[{1,2}[\w. "'-]{0,64}?(?:secrets?|credentials?|passwords?)["']?\s*+\]{1,2}$""",
    re.IGNORECASE,
)
_HCL: Final = re.compile(
    rb"""variable\s{1,4}"[\w\-]{0,64}?""" + NAME + rb""""\s{0,4}\{$""", re.IGNORECASE
)
_KEY_ELEMENT: Final = re.compile(
    rb"<(?:name|key)>[\w.\-]{0,64}?" + NAME + rb"</(?:name|key)>$", re.IGNORECASE
)
_CELL: Final = rb"""["']?[A-Za-z][\w .-]{0,40}["']?"""
_HEADER_ROW: Final = re.compile(
    rb"^" + _CELL + rb"(?P<sep>[,;\t])(?:" + _CELL + rb"(?:(?P=sep)|$)){1,40}$"
)
_UNIT: Final = re.compile(rb"^\s*+Environment\s*+=.*\\$", re.IGNORECASE)
_ENVIRONMENT: Final = re.compile(
    rb"""^\s*+(?:-\s)?["']?env(?:ironment)?["']?\s{0,8}[:=]\s{0,8}(?P<list>\[)?$""", re.IGNORECASE
)
_MULTILINE: Final = re.compile(NAME + rb"""["']?\s*+=\s*+(?P<quote>\"\"\"|\'\'\')""", re.IGNORECASE)
_NAME: Final = re.compile(
    rb"""["']?(?:name|key)["']?\s{0,8}[:=]\s{0,8}["']?[\w.\-]{0,64}?""" + NAME + rb"""["']?,?$""",
    re.IGNORECASE,
)
_TEXT: Final = re.compile(NAME + rb"""["']?\s*+:\s*+[|>][-+\d]{0,2}$""", re.IGNORECASE)
_LIST: Final = re.compile(NAME + rb"""["']?\s*+[:=]\s*+\[$""", re.IGNORECASE)
_ELEMENT: Final = re.compile(rb"<[\w:.\-]{0,64}?" + NAME + rb"(?:\s[^<>]{0,200})?>$", re.IGNORECASE)
_MEMBERS: Final = re.compile(NAME + NO_REFERENCE + rb"""["']?\s*+:\s*+\{?$""", re.IGNORECASE)
_SETTING: Final = re.compile(
    rb"""^\s*+(?:export\s{1,8})?["']?(?!-)[\w.\-/]{0,64}?""" + NAME + rb"""["']?\s*+[:=]""",
    re.IGNORECASE,
)
_NEXT: Final = re.compile(
    # `- --token` and `"--token",` of a list, `--token \` of a command
    rb"""(?:(?:^\s*+-\s{1,8}|["'])--?[\w\-]{0,64}?""" + NAME + rb"""["']?,?"""
    rb"""|(?<![\w-])--?[\w\-]{0,64}?""" + NAME + rb"""\s++\\"""
    rb"""|""" + NAME + rb"""["']?\s*+(?::\s*+\\|=\s*+\\?))$""",
    re.IGNORECASE,
)


def environment(line: bytes) -> Span | None:
    """Variables of whatever name."""
    if _UNIT.match(line):
        return Continued()
    if found := _DATA.match(line):
        return Data(line, whole=found["string"] is not None)
    if found := _SECTION.match(line):
        return Section()
    found = _ENVIRONMENT.match(line)
    return Environment(line, in_list=found["list"] is not None) if found else None


def named(line: bytes) -> Span | None:
    """Something with a secret's name."""
    if found := _MULTILINE.search(line):
        return Until(found["quote"]) if found["quote"] not in line[found.end() :] else None
    if found := _HEADER_ROW.match(line):
        return Rows(line, found["sep"])
    for expression, span in _NAMED:
        if expression.search(line):
            return span(line)
    return Continued() if line.endswith(b"\\") and _SETTING.match(line) else None


_NAMED: Final = (
    (_NAME, lambda _: Value()),
    (_HCL, lambda _: Value(b"default")),
    (_KEY_ELEMENT, lambda _: Element()),
    (_TEXT, Text),
    (_LIST, lambda _: Until(b"]")),
    (_ELEMENT, lambda _: Until(b"<")),
    (_MEMBERS, Members),
    (_NEXT, lambda _: Next()),
)
