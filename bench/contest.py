# SPDX-License-Identifier: Apache-2.0
"""A contest: several ways to the same end, taken in turn so that noise hits them alike."""

from __future__ import annotations

import dataclasses
import statistics
import subprocess
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    # One attempt: sets up, gives the seconds of the part that counts, cleans up.
    Attempt = Callable[[], float]


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One contender's outcome; `ratio` is to the contest's first, the peer."""

    contest: str
    contender: str
    median: float
    best: float
    ratio: float

    def as_json(self) -> dict[str, Any]:
        return {
            "contest": self.contest,
            "contender": self.contender,
            "median_ms": round(self.median * 1000, 1),
            "best_ms": round(self.best * 1000, 1),
            "ratio": round(self.ratio, 2),
        }


def hold(name: str, contenders: Mapping[str, Attempt], *, rounds: int) -> Iterator[Line]:
    """Let each try once unmeasured, then `rounds` times in turn."""
    taken: dict[str, list[float]] = {contender: [] for contender in contenders}
    for measured in range(rounds + 1):
        for contender, attempt in contenders.items():
            seconds = attempt()
            if measured:
                taken[contender].append(seconds)
    peer = statistics.median(next(iter(taken.values())))
    for contender, times in taken.items():
        median = statistics.median(times)
        yield Line(name, contender, median, min(times), median / peer)


def command(*argv: str, env: Mapping[str, str]) -> Attempt:
    """The time of one command that must succeed."""

    def attempt() -> float:
        start = time.monotonic()
        run(*argv, env=env)
        return time.monotonic() - start

    return attempt


def run(*argv: str, env: Mapping[str, str]) -> str:
    """What a command printed; RuntimeError with its complaint when it fails."""
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=env,
        timeout=120,
    )  # fmt: skip
    if done.returncode:
        words = (done.stderr or done.stdout).strip()
        raise RuntimeError(f"{' '.join(argv)}: status {done.returncode}: {words}")
    return done.stdout
