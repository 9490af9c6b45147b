# SPDX-License-Identifier: Apache-2.0
"""Bounds for a library that runs programs by itself: their environment, and their time."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Final

from launcher import interrupt, proc, process
from launcher.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

_AGAIN: Final = 0.2  # seconds until what is new is ended as well
_LOOK: Final = 0.25  # seconds between two looks whether a signal came


@contextlib.contextmanager
def environment() -> Iterator[None]:
    """Let a library that hands on our own environment hand on only what other children get."""
    before = dict(os.environ)
    built = process.environment()
    os.environ.clear()
    os.environ.update(built)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def deadline(seconds: float, what: str) -> Iterator[None]:
    """Bound a call into a library that runs programs but knows no time limit.

    At the deadline our children are ended, so that the library's wait returns; whatever it then
    raises becomes the time-out that it was.
    """
    expired, over = threading.Event(), threading.Event()
    before = proc.children()
    end = time.monotonic() + seconds

    def expire() -> None:
        # A signal to us has ended children that end by one; the others get no more time.
        while not interrupt.pending() and time.monotonic() < end:
            if over.wait(min(_LOOK, max(end - time.monotonic(), 0))):
                return
        expired.set()
        while not over.is_set():  # the library may start another one
            # These and no later ones: by the time of the second signal there may be others.
            overdue = [proc.Process.of(pid) for pid in proc.children() - before]
            for number, grace in ((signal.SIGTERM, process.KILL_GRACE), (signal.SIGKILL, _AGAIN)):
                for child in overdue:
                    if child is not None and child.alive():
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(child.pid, number)
                if over.wait(grace):
                    return

    threading.Thread(target=expire, daemon=True).start()
    try:
        yield
    except Exception:
        interrupt.check()
        if expired.is_set():
            raise HostError("host.timeout", f"{what} did not end within {seconds:.0f} s") from None
        raise
    finally:
        over.set()
