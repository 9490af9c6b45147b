# SPDX-License-Identifier: Apache-2.0
"""One thing that looks wrong, with what shows it and what to do about it."""

from __future__ import annotations

import dataclasses
from typing import Any, Final, Literal

Severity = Literal["critical", "warning", "notice"]
SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "warning", "notice")


@dataclasses.dataclass(frozen=True, slots=True)
class Diagnosis:
    """`code` is stable, for programs; `evidence` are lines as the host has them."""

    code: str
    severity: Severity
    title: str
    evidence: tuple[str, ...]
    advice: str

    def as_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "evidence": list(self.evidence)}


def count(number: int, one: str, many: str = "") -> str:
    """`1 unit`, `2 units`."""
    return f"{number} {one if number == 1 else many or one + 's'}"
