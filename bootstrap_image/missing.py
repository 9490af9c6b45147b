# SPDX-License-Identifier: Apache-2.0
"""Programs that a script called and did not get, by what shells and others print of it.

A script goes on after "command not found", and may end with 0 all the same.
"""

from __future__ import annotations

import re
from typing import Final

from bootstrap_image.refused import SAYING

_LIMIT: Final = 20  # names
_NAME: Final = r"(?P<name>[^\s:'\u2018\u2019]{1,200})"
_FORMS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_NAME}: command not found$",  # bash
        rf"^[^:]{{1,300}}: (?:line )?[0-9]+: (?:exec: )?{_NAME}: not found$",  # dash, busybox
        rf": {_NAME}: bad interpreter: No such file or directory$",
        rf"{_NAME}: cannot execute: required file not found$",
        rf"^(?:/usr/bin/)?env: ['\u2018]{_NAME}['\u2019]: No such file or directory$",
        rf"^[a-z]+: failed to (?:run command|execute) ['\u2018]?{_NAME}['\u2019]?: No such file or",
        rf"^{_NAME}: {SAYING}: ",
    )
)
_WORDS: Final = (b"not found", b"No such file", SAYING.encode())


class Missing:
    """Fed with every line of a step."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def feed(self, line: bytes) -> None:
        if len(self._names) >= _LIMIT or not any(word in line for word in _WORDS):
            return
        if name := program(line[:1000].decode(errors="replace").rstrip()):
            self._names[name] = None

    @property
    def warning(self) -> str:
        """A sentence, or nothing."""
        names = ", ".join(self._names)
        return f"it called programs that user data does not have here: {names}" if names else ""


def program(line: str) -> str:
    """The program that a line says is missing, or nothing."""
    found = next((match for form in _FORMS if (match := form.search(line))), None)
    return found["name"] if found else ""
