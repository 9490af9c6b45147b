# SPDX-License-Identifier: Apache-2.0
"""One step of a plan, as data."""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
from typing import Any, Literal


class Frequency(enum.StrEnum):
    """When a step runs; `once` counts a success, for one instance and one content."""

    ALWAYS = "always"
    ONCE = "once"
    ONCE_ATTEMPTED = "once-attempted"
    ONCE_EVER = "once-ever"  # whatever the instance: x-shellscript-per-once


@dataclasses.dataclass(frozen=True)
class Step:
    """Something to run: a script, or a module with its parameters as JSON."""

    job: str
    kind: Literal["script", "module"]
    name: str  # unique in its job
    source: str  # where in the user data it stands
    frequency: Frequency
    content: bytes = dataclasses.field(repr=False)  # may hold secrets: never printed
    occurrence: int = 1  # of this content in this job
    summary: tuple[str, ...] = ()

    @functools.cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def as_json(self) -> dict[str, Any]:
        return {
            "job": self.job,
            "kind": self.kind,
            "name": self.name,
            "source": self.source,
            "frequency": self.frequency,
            "sha256": self.sha256,
            "size": len(self.content),
            "summary": list(self.summary),
        }
