# SPDX-License-Identifier: Apache-2.0
"""Log files that containers leave on the host: their end, and what is added to it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POLL: Final = 0.2  # seconds
LINE: Final = 400  # bytes, more than most lines have


def tail(path: Path, lines: int) -> list[str]:
    """The last lines; none is empty."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - LINE * lines))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return []
    return text.splitlines()[-lines:] if lines else []


def follow(path: Path) -> Iterator[str]:
    """New lines as they come, until the caller has enough."""
    growth = Growth(path)
    while True:
        yield from growth.lines()
        time.sleep(POLL)


class Growth:
    """What is added to a log from now on, also when another file takes its place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = path.stat().st_size if path.exists() else 0
        self._rest = b""

    def lines(self) -> list[str]:
        """The whole lines that came since the last call."""
        try:
            with self._path.open("rb") as stream:
                if os.fstat(stream.fileno()).st_size < self._position:
                    self._position = 0
                stream.seek(self._position)
                data = stream.read()
        except FileNotFoundError:
            return []
        self._position += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [line.decode("utf-8", "replace") for line in whole]
