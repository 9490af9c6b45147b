# SPDX-License-Identifier: Apache-2.0
"""What on a line says that a secret stands on the next ones."""

from __future__ import annotations

import re
from typing import Final

from toolbox.collect.names import NAME, NO_REFERENCE
from toolbox.collect.spans import Continued, Next, Span, Text, Until
from toolbox.collect.tables import Environment, Members, Value

_UNIT: Final = re.compile(rb"^\s*+Environment\s*+=.*\\$", re.IGNORECASE)
_ENVIRONMENT: Final = re.compile(
    rb"""^\s*+(?:-\s)?["']?env(?:ironment)?["']?\s{0,8}[:=]\s{0,8}(?P<list>\[)?$""", re.IGNORECASE
)
_MULTILINE: Final = re.compile(NAME + rb"""["']?\s*+=\s*+(?P<quote>\"\"\"|\'\'\')""", re.IGNORECASE)
_NAME: Final = re.compile(
    rb"""["']?name["']?\s{0,8}[:=]\s{0,8}["']?[\w.\-]{0,64}?""" + NAME + rb"""["']?,?$""",
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
    found = _ENVIRONMENT.match(line)
    return Environment(line, in_list=found["list"] is not None) if found else None


def named(line: bytes) -> Span | None:
    """Something with a secret's name."""
    if found := _MULTILINE.search(line):
        return Until(found["quote"]) if found["quote"] not in line[found.end() :] else None
    for expression, span in _NAMED:
        if expression.search(line):
            return span(line)
    return Continued() if line.endswith(b"\\") and _SETTING.match(line) else None


_NAMED: Final = (
    (_NAME, lambda _: Value()),
    (_TEXT, Text),
    (_LIST, lambda _: Until(b"]")),
    (_ELEMENT, lambda _: Until(b"<")),
    (_MEMBERS, Members),
    (_NEXT, lambda _: Next()),
)
