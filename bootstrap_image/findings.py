# SPDX-License-Identifier: Apache-2.0
"""What reading user data found: all of it at once, each with its place."""

from __future__ import annotations

import dataclasses
from typing import Literal

Severity = Literal["error", "warning"]


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """At `path` (`user-data: part 2: runcmd[0]`): an error was not understood and is not done."""

    path: str
    message: str
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class Report:
    """Collects findings; too many of them are cut off with one that says so."""

    LIMIT = 200

    def __init__(self) -> None:
        self._findings: dict[Finding, None] = {}  # the same thing is said once
        self.errors = 0  # so far; those that are said twice or not at all count as well

    def error(self, path: str, message: str) -> None:
        self.errors += 1
        self._add(Finding(path, message))

    def warning(self, path: str, message: str) -> None:
        self._add(Finding(path, message, "warning"))

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(self._findings)

    def _add(self, finding: Finding) -> None:
        if len(self._findings) < self.LIMIT:
            self._findings[finding] = None
        elif len(self._findings) == self.LIMIT:
            self._findings[Finding("user-data", "there are more findings than these")] = None


def child(path: str, key: object) -> str:
    """The path of `key` in the table or list at `path`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    name = printable(str(key))
    return f"{path}.{name}" if path and not path.endswith(": ") else f"{path}{name}"


def printable(text: str, limit: int = 80) -> str:
    """Text of the user's for a message: on one line, no control characters, no end of pages."""
    shown = "".join(sign if sign.isprintable() else "?" for sign in text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[:limit]}..."
