# SPDX-License-Identifier: Apache-2.0
"""A file lock among launchers, waited for within a time limit; the kernel frees it if we die."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING, Final

from launcher import files, interrupt
from launcher.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from launcher.monitor import Monitor

POLL: Final = 0.05  # seconds


@contextlib.contextmanager
def hold(path: Path, *, timeout: float, monitor: Monitor, what: str) -> Iterator[None]:
    """Hold the lock at `path` alone; `HostError("host.busy")` after `timeout` seconds.

    `what` says what another launcher is at, while it holds the lock.
    """
    with files.explained(path):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if not _try(fd):
            monitor.note(f"another launcher is {what}; waiting for it")
            _wait(fd, what, timeout)
        yield
    finally:
        os.close(fd)


def is_held(path: Path) -> bool:
    """Whether a launcher holds the lock at this moment."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        return not _try(fd, fcntl.LOCK_SH)  # so that two who ask do not see each other
    finally:
        os.close(fd)


def _wait(fd: int, what: str, timeout: float) -> None:
    end = time.monotonic() + timeout
    while not _try(fd):
        if time.monotonic() >= end:
            message = f"another launcher is {what} for longer than {timeout:.0f} s"
            hint = "`hatchway admin status` says what it does; `hatchway admin stop` ends it."
            raise HostError("host.busy", message, hint)
        interrupt.check()
        time.sleep(POLL)


def _try(fd: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
