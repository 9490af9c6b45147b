# SPDX-License-Identifier: Apache-2.0
"""bootcmd and runcmd: lists of commands; each becomes one shell script, as in cloud-init."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bootstrap_image.findings import child
from bootstrap_image.script import shell
from bootstrap_image.table import as_text, kind

if TYPE_CHECKING:
    from bootstrap_image.table import Table


def script(config: Table, key: str) -> bytes | None:
    """The script of `key`, or None when there is none."""
    lines = list[str | list[str]]()
    for number, item in enumerate(config.rows(key)):
        line = _line(item)
        if line is None:
            problem = f"expected a text, or a list of texts, found {kind(item)}"
            config.report.error(child(config.at(key), number), f"{problem}; put it in quotes")
        elif line:
            lines.append(line)
    return shell(lines) if lines else None


def _line(item: Any) -> str | list[str] | None:
    """A text is a line of shell; a list is one command; nothing is nothing."""
    if item is None:
        return ""
    if not isinstance(item, list):
        return as_text(item)
    words = [as_text(word) for word in item]
    return [word for word in words if word is not None] if None not in words else None
