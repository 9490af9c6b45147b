# SPDX-License-Identifier: Apache-2.0
"""A step that turns the machine off or reboots it: it may once, and that is on record.

A script that goes on after `reboot` is ended by it, has not succeeded, and so runs again at the
next boot, which reboots again. So the runner allows each step a shutdown in a file; whoever asks
for one says so in it, and a step that had its own is refused another.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from bootstrap_image.action import SCRIPTS

FILE: Final = ".shutdown"
LIMIT: Final = 1  # of one step, over all boots
_ALLOWED, _REFUSED, _ASKED = "allowed", "refused", "asked"


class Allowance:
    """What one step may ask for, while it runs; `before` are the shutdowns that it had."""

    def __init__(self, before: int, place: str = SCRIPTS) -> None:
        self.count = before
        self._path = Path(place, FILE)

    def give(self) -> None:
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        self._path.write_text(_ALLOWED if self.count < LIMIT else _REFUSED, encoding="ascii")

    def take(self) -> bool:
        """Whether the step has asked since it was given."""
        with contextlib.suppress(OSError):
            asked = self._path.read_text(encoding="ascii", errors="replace") == _ASKED
            self._path.unlink()
            self.count += asked
            return asked
        return False


def ask(place: str = SCRIPTS) -> str:
    """Note that a shutdown is asked for; why it is refused, or nothing."""
    path = Path(place, FILE)
    try:
        if path.read_text(encoding="ascii") == _REFUSED:
            return (
                "this step has shut the machine down before and would do so at every boot; "
                "`hatchway bootstrap reset` forgets that"
            )
        path.write_text(_ASKED, encoding="ascii")
    except FileNotFoundError:  # not in a step
        return ""
    return ""
