# SPDX-License-Identifier: Apache-2.0
"""Indentation that YAML takes for something else: tabs, and entries swallowed by the text above."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import yaml

_LINE_END: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # as YAML counts lines
_TAB: Final = re.compile(r" *\t")
_ENTRY: Final = re.compile(r"[ \t]*-[ \t]")


def tab_near(text: str, line: int) -> int:
    """The number of the line with a tab in its indentation, at or before `line`; 0 for none."""
    lines = _LINE_END.split(text)
    for number in (line, line - 1):
        if 0 <= number < len(lines) and _TAB.match(lines[number]) and lines[number].strip():
            return number + 1
    return 0


def swallowed(text: str, node: yaml.Node) -> int:
    """The line of a text without quotes that looks like the next entry of a list; 0 for none."""
    first, last = node.start_mark.line + 1, node.end_mark.line
    if first > last:
        return 0
    lines = _LINE_END.split(text)[first : last + 1]
    return next((first + number for number, line in enumerate(lines, 1) if _ENTRY.match(line)), 0)
