# SPDX-License-Identifier: Apache-2.0
"""`admin stop`: from whatever there is to nothing; twice is as good as once."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from admin_image import spec
from launcher import door as doors
from launcher import files, locks, proc, process, runtimes
from launcher.admin import failure, kill_door
from launcher.deadline import CLEAN_UP, Deadline
from launcher.errors import ContainerError, DoorError, HatchwayError, RuntimeUnavailableError
from launcher.monitor import SilentMonitor
from launcher.profiles import admin
from launcher.runtimes import Wish

if TYPE_CHECKING:
    from collections.abc import Callable

    from launcher.door import Door
    from launcher.host import Host
    from launcher.runtimes.base import Runtime

GRACE: Final = (
    5.0  # seconds between SIGTERM and SIGKILL: sshd needs none, a shell may save its work
)
LIMIT: Final = 60.0  # seconds for all of it, where nobody says another
END_LIMIT: Final = 2.0
STARTER_LIMIT: Final = CLEAN_UP + 2 * process.KILL_GRACE  # seconds, as long as its clean-up takes


@dataclasses.dataclass(frozen=True, slots=True)
class Closed:
    """A door that is closed: whether there was one, and why its engine still has a container."""

    was_open: bool
    uncleared: Door | None = None


def close_door(
    wish: Wish, host: Host, *, deadline: Deadline | None = None, grace: float = GRACE
) -> Closed:
    """End a start that is under way, the door's processes, its container and its record.

    The door is closed also where the engine does not answer: then its container is left to the next
    start or stop.
    """
    deadline = deadline or Deadline.after(LIMIT)
    found = doors.read()
    if found is None and not doors.RUN.exists():
        return Closed(was_open=False)
    require_outside(found, "stop")
    _end_starter(found, deadline)
    lock = locks.hold(
        doors.LOCK,
        timeout=max(1.0, deadline.left()),
        monitor=SilentMonitor(),
        what="at work on the door",
    )
    with lock:
        found = doors.read() or found
        grace = min(grace, max(1.0, deadline.left() / 2))  # the engine needs some of it as well
        closed = clear(found, lambda: _runtime(found, wish, host, deadline), grace=grace)
        failure.forget()
    return closed


def require_outside(found: Door | None, verb: str) -> None:
    """Whoever closes the door from inside ends with it, in the middle of the work."""
    if found is None or found.state != "open" or not proc.descends_from(found.pid):
        return
    program = " ".join(process.own_program())
    hint = f"Leave first, or let systemd do it: systemd-run {program} admin {verb}"
    raise DoorError("door.inside", f"`{verb}` would end this very session in the middle", hint)


def clear(found: Door | None, engine: Callable[[], Runtime], *, grace: float) -> Closed:
    """End the door's processes, then remove its container and what was written for it.

    An engine that fails at that leaves a record for the next one who asks; the door is closed.
    """
    ended = kill_door.end(found, grace=grace)
    was_open = ended or (found is not None and found.state != "closed")
    try:
        # What was cut off in an engine that hung may only now be made.
        late = found is not None and found.state == "closed"
        there = engine().remove(admin.NAME, grace=grace, late=late)
    except HatchwayError as error:
        _require_ended(found)
        _forget()
        if found is None:  # no record, no door: there is nothing to close
            if isinstance(error, RuntimeUnavailableError):
                return Closed(was_open=False)
            raise
        left = dataclasses.replace(found, state="closed", uncleared=error.message)
        doors.write(left)
        return Closed(was_open, left)
    _require_ended(found)
    _forget()
    return Closed(was_open or there)


def clear_elsewhere(found: Door, host: Host, deadline: Deadline) -> Closed:
    """Remove what another engine than the chosen one holds, before its record is replaced."""
    return clear(found, lambda: _recorded(found, host, deadline), grace=1)


def wish_of(found: Door) -> Wish:
    """The wish that finds the engine which holds it."""
    return Wish(found.runtime, found.socket, found.namespace)


def _forget() -> None:
    with files.explained(Path(spec.RUN)):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(spec.RUN)
        doors.RECORD.unlink(missing_ok=True)


def _require_ended(found: Door | None) -> None:
    """A process in no container of ours was not ended, and is no door that is closed."""
    if found is None or found.state != "open":
        return
    until = time.monotonic() + END_LIMIT
    while found.alive():
        if time.monotonic() > until:
            message = f"the door is still open (pid {found.pid}), and in no container that is known"
            hint = f"End it and all sessions with `kill {found.pid}`, then try again."
            raise ContainerError("container.stuck", message, hint)
        time.sleep(locks.POLL)


def _end_starter(found: Door | None, deadline: Deadline) -> None:
    """A start that holds the lock gives up and cleans up after itself when told to.

    One that does not is killed, and the lock with it.
    """
    if found is None or found.state != "starting" or found.pid == os.getpid():
        return
    for number, seconds in ((signal.SIGTERM, STARTER_LIMIT), (signal.SIGKILL, END_LIMIT)):
        if found.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(found.pid, number)
        limit = deadline.within(seconds) if number == signal.SIGTERM else Deadline.after(seconds)
        while found.alive() and not limit.passed:
            time.sleep(locks.POLL)


def _runtime(found: Door | None, wish: Wish, host: Host, deadline: Deadline) -> Runtime:
    """The engine that holds the door, as its record says, or the one that a start would use."""
    if found is not None:
        return _recorded(found, host, deadline)
    return runtimes.choose(wish, host, deadline).runtime


def _recorded(found: Door, host: Host, deadline: Deadline) -> Runtime:
    return runtimes.choose(wish_of(found), host, deadline).runtime
