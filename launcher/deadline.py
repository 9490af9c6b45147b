# SPDX-License-Identifier: Apache-2.0
"""The moment by which all of a command is to be done: one value, handed down its calls."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Final, Self


@dataclasses.dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock."""

    end: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        return cls(time.monotonic() + seconds)

    def left(self, most: float = math.inf) -> float:
        """Seconds until then, but no more than `most`; 0 when it has passed."""
        return max(0.0, min(most, self.end - time.monotonic()))

    @property
    def passed(self) -> bool:
        return self.left() <= 0

    def within(self, seconds: float) -> Deadline:
        """The earlier of this one and `seconds` from now."""
        return Deadline(min(self.end, time.monotonic() + seconds))


NEVER: Final = Deadline(math.inf)
# What follows a failure, a signal or a time that is over: documented as "ten seconds more".
CLEAN_UP: Final = 10.0
