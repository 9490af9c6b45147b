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
from launcher import files, locks, proc, process, runtimes
from launcher.admin import failure
from launcher.errors import ContainerError, DoorError, HatchwayError, RuntimeUnavailableError
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
END_LIMIT: Final = 2.0


def close_door(wish: Wish, host: Host, *, grace: float = GRACE) -> bool:
    """End a start that is under way, remove the container and its record; False if none was."""
    found = doors.read()
    if found is None and not doors.RUN.exists():
        return False
    require_outside(found, "stop")
    _end_starter(found)
    lock = locks.hold(
        doors.LOCK, timeout=LOCK_LIMIT, monitor=SilentMonitor(), what="at work on the door"
    )
    with lock:
        found = doors.read() or found
        try:
            was_open = clear(_runtime(found, wish, host), grace=grace)
        except RuntimeUnavailableError:
            if _is_open(found):
                raise
            was_open = False  # no engine, no record of an open door: there is nothing to close
            _forget()
        failure.forget()
    return was_open or found is not None


def require_outside(found: Door | None, verb: str) -> None:
    """Whoever closes the door from inside ends with it, in the middle of the work."""
    if found is None or found.state != "open" or not proc.descends_from(found.pid):
        return
    program = " ".join(process.own_program())
    hint = f"Leave first, or let systemd do it: systemd-run {program} admin {verb}"
    raise DoorError("door.inside", f"`{verb}` would end this very session in the middle", hint)


def clear(runtime: Runtime, *, grace: float) -> bool:
    """Remove the container and what was written for it; whether there was one."""
    there = runtime.remove(admin.NAME, grace=grace)
    _require_ended(doors.read(), runtime)
    _forget()
    return there


def clear_elsewhere(found: Door, host: Host) -> None:
    """Remove what another engine than the chosen one holds, before its record is replaced."""
    try:
        runtime = runtimes.choose(wish_of(found), host).runtime
    except HatchwayError as error:
        if _is_open(found):
            raise _held(found, error) from None
        return  # it ended with its engine, or the next stop of that engine finds it
    clear(runtime, grace=1)


def wish_of(found: Door) -> Wish:
    """The wish that finds the engine which holds it."""
    return Wish(found.runtime, found.socket, found.namespace)


def _forget() -> None:
    with files.explained(Path(spec.RUN)):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(spec.RUN)
        doors.RECORD.unlink(missing_ok=True)


def _require_ended(found: Door | None, runtime: Runtime) -> None:
    """An engine that knows nothing of the door is not the one that holds it."""
    if found is None or found.state != "open":
        return
    until = time.monotonic() + END_LIMIT
    while found.alive():
        if time.monotonic() > until:
            message = f"the door is still open (pid {found.pid}), though {runtime.describe()}"
            hint = f"End it and all sessions with `kill {found.pid}`, then try again."
            raise ContainerError("container.stuck", f"{message} has no such container", hint)
        time.sleep(locks.POLL)


def _is_open(found: Door | None) -> bool:
    return found is not None and found.state == "open" and found.alive()


def _held(found: Door, error: HatchwayError) -> HatchwayError:
    message = f"the open door is held by {found.runtime}, which does not answer: {error.message}"
    hint = f"Start {found.runtime} again; or end the door and all sessions: kill {found.pid}"
    return RuntimeUnavailableError("runtime.down", message, hint)


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
        try:
            return runtimes.choose(wish_of(found), host).runtime
        except HatchwayError as error:
            if _is_open(found):
                raise _held(found, error) from None
    return runtimes.choose(wish, host).runtime
