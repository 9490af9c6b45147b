# SPDX-License-Identifier: Apache-2.0
"""Scripts that write down when they begin and end, and what must hold after every power cut."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bootstrap_image.spec import Status
from tests.bootstrap_image.make import message

if TYPE_CHECKING:
    from pathlib import Path

STEPS = 6
_SCRIPT = "#!/bin/sh\necho begin {n} >> {at}/journal\nsleep 0.0{n}\necho end {n} >> {at}/journal\n"


def user_data(at: str) -> bytes:
    return message(
        *(("text/x-shellscript", _SCRIPT.format(n=n, at=at).encode(), "") for n in range(STEPS))
    )


class Cuts:
    """One host from its first boot to the one at which all is done."""

    def __init__(self, place: Path, state: Path) -> None:
        self._place = place
        self._state = state
        self._begun: dict[int, int] = {}
        self.on_record: set[int] = set()

    def journal(self) -> list[str]:
        path = self._place / "journal"
        return path.read_text().splitlines() if path.exists() else []

    def check(self) -> None:
        """No record is damaged, too early, lost, or not heeded."""
        lines, now = self.journal(), set[int]()
        for path in self._state.glob("steps/*/*/*.json"):
            record = json.loads(path.read_text())
            number = int(record["step"].removeprefix("part-")) - 1
            assert record["status"] == Status.SUCCEEDED
            assert f"end {number}" in lines
            now.add(number)
        assert self.on_record <= now
        begun = {number: lines.count(f"begin {number}") for number in range(STEPS)}
        assert all(begun[number] == self._begun[number] for number in self.on_record)
        self._begun, self.on_record = begun, now
