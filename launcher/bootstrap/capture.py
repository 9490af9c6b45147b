# SPDX-License-Identifier: Apache-2.0
"""The output of a container that keeps no log of its own: to the log, live, and its last lines."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bootstrap_image import spec
from launcher import logfile

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT: Final = 20  # lines
WIDTH: Final = 500  # signs of a line that is kept
LONGEST: Final = 4096  # bytes of a line
LIMIT: Final = 8 << 20  # bytes: one that prints for ever must not fill /var


class Capture:
    """Takes what `name` prints as it comes; `show` gets each line."""

    def __init__(self, name: str, show: Callable[[str], None]) -> None:
        self._name = name
        self._show = show
        self._rest = b""
        self._left = LIMIT
        self._lines: deque[str] = deque(maxlen=KEPT)

    def feed(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST:
            whole.append(self._rest)
            self._rest = b""
        self._take(whole)

    def close(self) -> None:
        """What came after the last line break is a line as well."""
        if self._rest:
            self._take([self._rest])
        self._rest = b""

    def say(self, message: str) -> None:
        """A word of ours between its own."""
        self._write([f"hatchway: {message}"])

    @property
    def last_lines(self) -> tuple[str, ...]:
        return tuple(self._lines)

    def _take(self, lines: list[bytes]) -> None:
        texts = [line.decode("utf-8", "replace") for line in lines]
        self._lines.extend(_plain(text) for text in texts)
        if self._left <= 0 or not texts:
            return
        self._left -= sum(map(len, lines))
        self._write([f"{self._name}: {text}" for text in texts])
        if self._left <= 0:
            self.say(f"{self._name} prints too much: the rest of its output is not kept")

    def _write(self, lines: list[str]) -> None:
        logfile.append(Path(spec.LOG_FILE), "\n".join(lines))
        for line in lines:
            self._show(line)


def _plain(text: str) -> str:
    """For a terminal of tomorrow: text without control characters."""
    kept = text[:WIDTH].expandtabs().rstrip()
    return "".join(sign if sign.isprintable() else "?" for sign in kept)
