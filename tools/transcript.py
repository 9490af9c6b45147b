# SPDX-License-Identifier: Apache-2.0
"""A transcript for people that is a proof as well: it stops at the first thing not as expected."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MARGIN: Final = " " * 10


class UnexpectedError(Exception):
    """Something was not as the transcript says it is."""


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str


class Transcript:
    """Prints steps, commands and what they gave, with the seconds since its start at the left."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._durations: list[tuple[str, float]] = []

    @contextlib.contextmanager
    def step(self, sentence: str, *, name: str) -> Iterator[None]:
        """Begin a step with a sentence that says what comes; `name` stands in the summary."""
        self._print(f"\n{self._clock()}{sentence}")
        began = time.monotonic()
        yield
        self._durations.append((name, time.monotonic() - began))

    def typed(self, prompt: str, command: str) -> None:
        self._print(f"{self._clock()}{prompt} {command}")

    def output(self, text: str) -> None:
        for line in text.rstrip("\n").split("\n") if text.strip() else ():
            self._print(f"{MARGIN}  {line}".rstrip())

    def expect(self, holds: bool, fact: str) -> None:
        """Go on only if the fact holds."""
        if not holds:
            self._print(f"{self._clock()}NOT AS EXPECTED: {fact}")
            raise UnexpectedError(fact)
        self._print(f"{MARGIN}  = {fact}")

    def summary(self) -> None:
        """Print how long each step took."""
        self._print(f"\n{self._clock()}All of it was as expected. How long it took:")
        for name, seconds in (*self._durations, ("in all", time.monotonic() - self._start)):
            self._print(f"{MARGIN}  {seconds:6.1f} s  {name}")

    def _clock(self) -> str:
        return f"{time.monotonic() - self._start:6.1f} s  "

    def _print(self, line: str) -> None:
        print(line, flush=True)
