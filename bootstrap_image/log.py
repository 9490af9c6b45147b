# SPDX-License-Identifier: Apache-2.0
"""The log: to a file on the host, and live to the console, line by line under a step's name."""

from __future__ import annotations

import contextlib
import os
import select
from collections import deque
from pathlib import Path
from typing import Final

from bootstrap_image.missing import Missing
from bootstrap_image.spec import LOG_FILE

SIZE_LIMIT: Final = 32 << 20  # bytes; then it becomes the one file before
STEP_LIMIT: Final = 8 << 20  # bytes of one step: a script that prints for ever must not fill /var
LINES_KEPT: Final = 20
_LINE_LIMIT: Final = 4096
_KEPT_WIDTH: Final = 500
_CONSOLE_WAIT: Final = 1.0  # seconds; whoever reads the console may have stopped doing so
_PIPE_BUF: Final = 4096  # limits.h: as much a pipe takes at once when it says that it takes any


class Log:
    """Writes never fail: a full disk or a lost console must not end a step."""

    def __init__(self, path: str = LOG_FILE, console: int = 1) -> None:
        self._path = path
        self._console: int | None = console
        self._file: int | None = None
        self._size = 0
        try:
            Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._open()
        except OSError as error:
            self.say(f"warning: no log can be kept: {error}")

    def say(self, message: str) -> None:
        self.write(f"hatchway: {message}\n".encode(errors="replace"))

    def write(self, data: bytes) -> None:
        # A full disk, or a log that was turned into something else: the console still has it.
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._size += os.write(self._file, data)
            if self._size > SIZE_LIMIT:
                self._turn()
        self._show(data)

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(self._path, flags, 0o600)
        os.fchmod(self._file, 0o600)  # scripts print secrets, and the file may be an older one
        self._size = os.fstat(self._file).st_size

    def _turn(self) -> None:
        self._size = 0  # also when what follows fails: not at every line
        Path(self._path).replace(f"{self._path}.1")
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._open()

    def _show(self, data: bytes) -> None:
        for start in range(0, len(data), _PIPE_BUF):
            if self._console is None:
                return
            try:
                if not select.select([], [self._console], [], _CONSOLE_WAIT)[1]:
                    self._console = None
                    return
                os.write(self._console, data[start : start + _PIPE_BUF])
            except OSError:
                self._console = None


class Capture:
    """The output of one step: on to the log under its name, and its last lines kept."""

    def __init__(self, log: Log, name: str) -> None:
        self._log = log
        self._prefix = f"{name}: ".encode(errors="replace")
        self.missing = Missing()
        self._rest = b""
        self._left = STEP_LIMIT
        self._lines: deque[bytes] = deque(maxlen=LINES_KEPT)

    def feed(self, data: bytes) -> None:
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        self._emit(lines)
        if len(self._rest) > _LINE_LIMIT:
            self._emit([self._rest])
            self._rest = b""

    def note(self, message: str) -> None:
        """A word of ours between the step's own."""
        self._log.say(message)

    def close(self) -> None:
        if self._rest:
            self._emit([self._rest])
        self._rest = b""

    @property
    def last_lines(self) -> tuple[str, ...]:
        return tuple(_plain(line) for line in self._lines)

    def _emit(self, lines: list[bytes]) -> None:
        self._lines.extend(lines)
        for line in lines:
            self.missing.feed(line)
        if self._left <= 0 or not lines:
            return
        text = b"".join(self._prefix + line + b"\n" for line in lines)
        self._left -= len(text)
        self._log.write(text)
        if self._left <= 0:
            self._log.say("it prints too much: the rest of its output is not kept")


def _plain(line: bytes) -> str:
    """For a terminal or a console of tomorrow: text without control characters."""
    text = line[:_KEPT_WIDTH].decode(errors="replace").expandtabs()
    return "".join(sign if sign.isprintable() else "?" for sign in text.rstrip())
