# SPDX-License-Identifier: Apache-2.0
"""Log files that containers leave on the host: their end, and what is added to it."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Final

from launcher import files
from launcher.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

POLL: Final = 0.2  # seconds
LINE: Final = 400  # bytes, more than most lines have


def tail(path: Path, lines: int) -> list[str]:
    """The last lines, with bytes that are no text as `surrogateescape` has them; none is empty."""
    try:
        with _open(path) as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - LINE * lines))
            text = stream.read().decode("utf-8", "surrogateescape")
    except OSError:
        return []
    # Nothing else ends a line: what is piped is to come out as it was written.
    return text.removesuffix("\n").split("\n")[-lines:] if lines and text else []


def follow(path: Path) -> Iterator[str]:
    """New lines as they come, until the caller has enough."""
    growth = Growth(path)
    while True:
        yield from growth.lines()
        time.sleep(POLL)


def append(path: Path, line: str) -> None:
    """Add a line of ours to a log; that it cannot be kept stops nothing."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    with contextlib.suppress(OSError, HostError):
        files.own_directory(path.parent)
        with os.fdopen(os.open(path, flags, 0o600), "ab") as stream:
            stream.write(f"{line}\n".encode(errors="replace"))


class Growth:
    """What is added to a log from now on, also when another file takes its place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._position = path.lstat().st_size
        except OSError:
            self._position = 0
        self._rest = b""

    def lines(self) -> list[str]:
        """The whole lines that came since the last call."""
        try:
            with _open(self._path) as stream:
                if os.fstat(stream.fileno()).st_size < self._position:
                    self._position = 0
                stream.seek(self._position)
                data = stream.read()
        except OSError:
            return []
        self._position += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [line.decode("utf-8", "surrogateescape") for line in whole]


def _open(path: Path) -> IO[bytes]:
    """A log is a plain file: a link that stands in its place shows nothing of what it leads to."""
    return os.fdopen(
        os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), "rb"
    )
