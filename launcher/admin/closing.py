# SPDX-License-Identifier: Apache-2.0
"""`admin stop`: from whatever there is to nothing; twice is as good as once."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from admin_image import spec
from launcher import door as doors
from launcher import files, locks, runtimes
from launcher.admin import failure
from launcher.errors import HatchwayError, RuntimeUnavailableError
from launcher.monitor import SilentMonitor
from launcher.profiles import admin
from launcher.runtimes import Wish

if TYPE_CHECKING:
    from launcher.door import Door
    from launcher.host import Host
    from launcher.runtimes.base import Runtime

GRACE: Final = (
    5.0  # seconds between SIGTERM and SIGKILL: sshd needs none, a shell may save its work
)
LOCK_LIMIT: Final = 60.0


def close_door(wish: Wish, host: Host, *, grace: float = GRACE) -> bool:
    """End a start that is under way, remove the container and its record; False if none was."""
    found = doors.read()
    if found is None and not doors.RUN.exists():
        return False
    _end_starter(found)
    lock = locks.hold(
        doors.LOCK, timeout=LOCK_LIMIT, monitor=SilentMonitor(), what="at work on the door"
    )
    with lock:
        found = doors.read() or found
        try:
            was_open = clear(_runtime(found, wish, host), grace=grace)
        except RuntimeUnavailableError:
            if found is not None and found.state == "open" and found.alive():
                raise
            was_open = False  # no engine, no record of an open door: there is nothing to close
        failure.forget()
    return was_open or found is not None


def clear(runtime: Runtime, *, grace: float) -> bool:
    """Remove the container and what was written for it; whether there was one."""
    there = runtime.remove(admin.NAME, grace=grace)
    with files.explained(Path(spec.RUN)):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(spec.RUN)
        doors.RECORD.unlink(missing_ok=True)
    return there


def _end_starter(found: Door | None) -> None:
    """A start that holds the lock gives up and cleans up after itself when told to."""
    if found is None or found.state != "starting" or found.pid == os.getpid():
        return
    until = time.monotonic() + LOCK_LIMIT
    if found.alive():
        with contextlib.suppress(ProcessLookupError):
            os.kill(found.pid, signal.SIGTERM)
    while found.alive() and time.monotonic() < until:
        time.sleep(locks.POLL)


def _runtime(found: Door | None, wish: Wish, host: Host) -> Runtime:
    """The engine that holds the door, as its record says, or the one that a start would use."""
    if found is not None:
        recorded = Wish(found.runtime, found.socket, found.namespace)
        with contextlib.suppress(HatchwayError):
            return runtimes.choose(recorded, host).runtime
    return runtimes.choose(wish, host).runtime
