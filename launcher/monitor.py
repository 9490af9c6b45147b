# SPDX-License-Identifier: Apache-2.0
"""Progress, told to whoever listens: library code neither prints nor configures logging.

Plain lines go to stderr where it is no terminal; on a terminal rich draws a live bar.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from launcher import escape, streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINE_INTERVAL = 5.0  # seconds between plain progress lines: a cloud assistant keeps every line


class Monitor(Protocol):
    """What a long act tells of itself. Every method may be called from any thread."""

    def step(self, text: str) -> None:
        """Tell that something new begins."""

    def note(self, text: str) -> None:
        """Tell something that the user should know but that stops nothing."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Tell how many of `total` bytes of `what` are done; `total` 0 is not known."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class SilentMonitor:
    """Listens to nothing; `notes` keeps what a caller may still want to return."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def step(self, text: str) -> None:
        pass

    def note(self, text: str) -> None:
        self.notes.append(text)

    def progress(self, what: str, done: int, total: int) -> None:
        pass

    def close(self) -> None:
        pass


class LineMonitor:
    """Plain lines with the seconds since the start, for pipes, logs and cloud assistants."""

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.notes: list[str] = []
        self._stream = stream or sys.stderr
        self._clock = clock
        self._start = clock()
        self._last = float("-inf")
        self._lock = threading.Lock()

    def step(self, text: str) -> None:
        self._line(text)

    def note(self, text: str) -> None:
        self.notes.append(text)
        self._line(f"note: {text}")

    def progress(self, what: str, done: int, total: int) -> None:
        now = self._clock()
        with self._lock:
            if now - self._last < LINE_INTERVAL and done != total:
                return
            self._last = now
        share = f" of {_megabytes(total)} ({done * 100 // total}%)" if total else ""
        self._line(f"{what}: {_megabytes(done)}{share}")

    def close(self) -> None:
        pass

    def _line(self, text: str) -> None:
        streams.tell(f"[{self._clock() - self._start:6.2f}s] {text}", self._stream)


class LiveMonitor(LineMonitor):
    """Lines as above and, below them, one live bar; rich is loaded only when bytes flow."""

    def __init__(self) -> None:
        super().__init__()
        self._bar: Any = None
        self._task: Any = None

    def progress(self, what: str, done: int, total: int) -> None:
        with self._lock:
            if self._bar is None:
                self._open()
            what = escape.line(what)
            self._bar.update(self._task, description=what, completed=done, total=total or None)
        if total and done >= total:
            self.close()

    def close(self) -> None:
        with self._lock:
            if self._bar is not None:
                self._bar.stop()
                self._bar = None

    def _line(self, text: str) -> None:
        if self._bar is None:
            super()._line(text)
        else:
            # rich takes a bell out of it, and lets an escape through.
            self._bar.console.print(escape.line(text), markup=False, highlight=False)

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
        from rich.progress import TransferSpeedColumn as Speed

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            Speed(),
        )
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("")
        self._bar.start()


@contextlib.contextmanager
def for_terminal(*, quiet: bool) -> Iterator[Monitor]:
    """The monitor that fits where stderr leads; at the end the terminal is as it was."""
    shown = LiveMonitor if sys.stderr.isatty() else LineMonitor
    chosen: Monitor = SilentMonitor() if quiet else shown()
    try:
        yield chosen
    finally:
        chosen.close()


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
