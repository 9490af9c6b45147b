# SPDX-License-Identifier: Apache-2.0
"""Bounds for a library that runs programs by itself: their environment, and their time."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

from launcher import interrupt, proc, process
from launcher.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator


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
    expired = threading.Event()
    before = proc.children()

    def expire() -> None:
        expired.set()
        # These and no later ones: when the second signal goes out, others may have been started.
        overdue = [proc.Process.of(pid) for pid in proc.children() - before]
        for number in (signal.SIGTERM, signal.SIGKILL):
            for child in overdue:
                if child is not None and child.alive():
                    os.kill(child.pid, number)
            time.sleep(process.KILL_GRACE if number == signal.SIGTERM else 0)

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        interrupt.check()
        if expired.is_set():
            raise HostError("host.timeout", f"{what} did not end within {seconds:.0f} s") from None
        raise
    finally:
        timer.cancel()
