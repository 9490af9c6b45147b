# SPDX-License-Identifier: Apache-2.0
"""manifest.json: what is in the bundle, what is not, and why."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolbox.collect.item import Outcome

FORMAT = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One item as the manifest has it; `path` is its member, or empty where nothing is kept."""

    path: str
    kind: str
    source: str
    recipe: str
    status: str
    note: str
    size: int
    kept: int
    sha256: str
    seconds: float
    truncated: bool
    redactions: int
    exit_status: int | None

    @classmethod
    def of(cls, outcome: Outcome, path: str, source: str) -> Entry:
        return cls(
            path=path,
            kind=outcome.item.kind,
            source=source,
            recipe=outcome.item.place,
            status=outcome.status,
            note=outcome.note,
            size=outcome.size,
            kept=len(outcome.content),
            sha256=hashlib.sha256(outcome.content).hexdigest() if outcome.content else "",
            seconds=round(outcome.seconds, 3),
            truncated=outcome.truncated,
            redactions=outcome.redactions,
            exit_status=outcome.exit_status,
        )

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The whole of it; times are seconds since the epoch, `ending` says what ended collection."""

    version: str
    host: str
    began: float
    seconds: float
    ending: str
    since: str
    anonymised: bool
    checkup: dict[str, Any]
    recipe_findings: list[dict[str, str]]
    items: list[Entry]

    def as_json(self) -> dict[str, Any]:
        """The documented JSON form."""
        return {
            "format": FORMAT,
            "hatchway": self.version,
            "host": self.host,
            "began": self.began,
            "seconds": round(self.seconds, 2),
            "complete": self.ending == "complete",
            "ending": self.ending,
            "since": self.since,
            "anonymised": self.anonymised,
            "redactions": sum(entry.redactions for entry in self.items),
            "checkup": self.checkup,
            "recipe_findings": self.recipe_findings,
            "items": [entry.as_json() for entry in self.items],
        }
