# SPDX-License-Identifier: Apache-2.0
"""A kind of secret within one line, and what is put in its place."""

from __future__ import annotations

import dataclasses
import re
from typing import Final, Self

MARK: Final = b"[redacted]"


@dataclasses.dataclass(frozen=True, slots=True)
class Pattern:
    """What it matches is replaced but for its group `k`; or each `inner` within it, likewise.

    `hints` are words of which a line must hold one, in lower case, to be looked at at all.
    """

    name: str
    expression: re.Pattern[bytes]
    hints: tuple[bytes, ...] = ()
    inner: re.Pattern[bytes] | None = None

    def possible(self, low: bytes) -> bool:
        for hint in self.hints:
            if hint in low:
                return True
        return not self.hints

    def within(self, low: bytes) -> Self:
        """The same for lines of this text: with those hints alone that are in it."""
        if len(self.hints) < 2:
            return self
        return dataclasses.replace(self, hints=tuple(hint for hint in self.hints if hint in low))

    def replace(self, line: bytes) -> tuple[bytes, int]:
        """The line without its secrets of this kind, and how many there were."""
        if self.inner is None:
            return self.expression.subn(_marked, line)
        count = 0

        def without(region: re.Match[bytes]) -> bytes:
            nonlocal count
            replaced, found = inner.subn(_marked, region[0])
            count += found
            return replaced

        inner = self.inner
        return self.expression.sub(without, line), count


def expression(*parts: bytes) -> re.Pattern[bytes]:
    return re.compile(b"".join(parts), re.IGNORECASE)


def _marked(match: re.Match[bytes]) -> bytes:
    return (match.groupdict().get("k") or b"") + MARK
