# SPDX-License-Identifier: Apache-2.0
"""Descendants of this process: reaped when they end, ended when the door closes.

The container shares the host's pid namespace, so that no kernel ends them with us, and not
every runtime does. Only our own descendants are touched: a process that a session asked the
host's systemd to run is the host's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from admin_image.files import read_text

GRACE = 1.5
INTERVAL = 0.02
# Seconds after SIGKILL: a child that lies in the kernel must not keep the container from ending.
LIMIT = 2.5
# Names of processes as the kernel cuts them, to 15 characters.
_SHUTDOWN = "systemd-shutdow"
_SHIM = "containerd-shim"


def end_all(*, grace: float = GRACE) -> None:
    """End every descendant, politely first; returns when none is left or the time is up."""
    asked, told = time.monotonic(), 0.0
    _signal(descendants(), signal.SIGTERM, signal.SIGHUP, signal.SIGCONT)
    while left := descendants():
        reap()
        now = time.monotonic()
        if told and now > told + LIMIT:
            return
        if now > asked + grace:
            _signal(left, signal.SIGKILL)
            told = told or now
        time.sleep(INTERVAL)


def end_shim_at_shutdown() -> None:
    """Take containerd's shim along when the host goes down.

    It ignores SIGTERM, and systemd-shutdown would wait 90 seconds for it: an SRE who reboots a
    node from the inside must not make it stay away for longer.
    """
    parent = os.getppid()
    if _name(1) == _SHUTDOWN and _name(parent) == _SHIM:
        _signal([parent], signal.SIGKILL)


def reap(*, besides: int = 0) -> None:
    """Collect children that ended; `besides` is left to the one who waits for it."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid == besides:
            return
        os.waitpid(ended.si_pid, os.WNOHANG)


def descendants(of: int | None = None) -> list[int]:
    parents = dict(_parents())
    found, generation = list[int](), {of or os.getpid()}
    while generation:
        generation = {pid for pid, parent in parents.items() if parent in generation}
        found += generation
    return found


def _parents() -> list[tuple[int, int]]:
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - hundreds of names
    # The command's name may hold anything, even `) `: what counts comes after the last one.
    stats = [(pid, read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()) for pid in pids]
    return [(pid, int(fields[1])) for pid, fields in stats if fields]


def _name(pid: int) -> str:
    return read_text(f"/proc/{pid}/comm").strip()


def _signal(pids: list[int], *numbers: signal.Signals) -> None:
    for pid in pids:
        for number in numbers:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
