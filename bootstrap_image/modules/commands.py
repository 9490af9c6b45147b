# SPDX-License-Identifier: Apache-2.0
"""bootcmd and runcmd: lists of commands; each becomes one shell script, as in cloud-init.

All of a list or none of it: a command may need the one before, `cd` above all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bootstrap_image.findings import child
from bootstrap_image.scalars import plain
from bootstrap_image.script import shell
from bootstrap_image.table import as_text, kind

if TYPE_CHECKING:
    from bootstrap_image.findings import Report
    from bootstrap_image.table import Table


def script(config: Table, key: str) -> bytes | None:
    """The script of `key`, or None when there is none."""
    at = config.at(key)
    read = [
        _words(item, child(at, number), config.report)
        if isinstance(item, list)
        else _line(item, child(at, number), config.report)
        for number, item in enumerate(config.rows(key))
    ]
    lines = [line for line in read if line]
    return shell(lines) if lines else None


def _line(item: Any, path: str, report: Report) -> str:
    """A text is a line of shell; nothing is nothing."""
    text, value = as_text(item), plain(item)
    if value is not None and not isinstance(value, str | bool):
        report.error(
            path, f"expected a text, or a list of texts, found {kind(value)}{_cure(value)}"
        )
    return text or ""


def _cure(value: Any) -> str:
    # The line itself is not repeated: headers with a token in them are what has such a colon.
    if isinstance(value, dict):
        return ": the colon and the space in it make one; put the whole line in quotes"
    return "; put it in quotes, and the words of a command on one line"


def _words(items: list[Any], path: str, report: Report) -> list[str]:
    """One command, word by word."""
    words = [as_text(word) for word in items]
    for number, word in enumerate(words):
        if word is None:
            found = kind(items[number])
            report.error(child(path, number), f"expected a text, found {found}; put it in quotes")
    return [word for word in words if word is not None]
