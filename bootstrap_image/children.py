# SPDX-License-Identifier: Apache-2.0
"""What a step leaves running: we are the reaper of all of it, and end it before the next step.

The container shares the host's pid namespace. Only our own descendants are touched: what a script
asked the host's systemd to run is the host's, and stays.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Final

GRACE: Final = 2.0  # seconds between asking and ending
LIMIT: Final = 5.0  # after that a process lies in the kernel, and nobody can end it
_INTERVAL: Final = 0.01
# Those that would not end: no later step waits for them once more.
_STUCK: Final = set[int]()


def end_all(*, grace: float = GRACE, limit: float = LIMIT) -> tuple[int, int]:
    """End every descendant, politely first: how many there were, and how many would not end."""
    if not _alive() or not (found := _endable()):
        return 0, 0
    _signal(found, signal.SIGTERM, signal.SIGCONT)
    asked, told = time.monotonic(), 0.0
    while _alive() and (left := _endable()):
        now = time.monotonic()
        if told and now > told + limit:
            _STUCK.update(left)
            return len(found), len(left)
        if now > asked + grace:
            # Also what was forked meanwhile; orphans come to us and die in the next round.
            _signal(left, signal.SIGKILL)
            told = told or now
        time.sleep(_INTERVAL)
    return len(found), 0


def _alive() -> bool:
    """Collect children that ended; whether any other is left. No look at /proc: it costs."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True


def _endable() -> list[int]:
    return [pid for pid in descendants() if pid not in _STUCK]


def descendants() -> list[int]:
    parents = dict(_parents())
    found, generation = list[int](), {os.getpid()}
    while generation:
        generation = {pid for pid, parent in parents.items() if parent in generation}
        found += generation
    return found


def _parents() -> list[tuple[int, int]]:
    found = list[tuple[int, int]]()
    for name in os.listdir("/proc"):  # noqa: PTH208 - hundreds of names
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                # The command's name may hold anything, even `) `: what counts comes after the last.
                fields = Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()
                found.append((int(name), int(fields[1])))
    return found


def _signal(pids: list[int], *numbers: signal.Signals) -> None:
    for pid in pids:
        for number in numbers:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
