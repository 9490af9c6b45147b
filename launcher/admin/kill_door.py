# SPDX-License-Identifier: Apache-2.0
"""A door ended by its processes alone, for the engine may hang when somebody wants it closed.

The supervisor is told first: it ends the sessions and says so in the log. What is still there
after the grace is killed. Whose processes are the door's is known from /proc: all that descend from
the supervisor, and all in its container's control groups.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import time
from typing import TYPE_CHECKING, Final

from launcher import cgroups, locks, proc, tcp
from launcher import door as doors
from launcher.errors import ContainerError
from launcher.proc import Process
from launcher.profiles import admin

if TYPE_CHECKING:
    from launcher.door import Door

KILL_LIMIT: Final = 3.0  # seconds after SIGKILL; only what hangs in the kernel needs more


@dataclasses.dataclass(frozen=True, slots=True)
class _Running:
    """What there is of a door: its first process, if that lives, and its container's id."""

    first: Process | None
    container: str
    listener: str = ""

    def processes(self) -> set[Process]:
        found = set(cgroups.members(self.container))
        if self.first is not None and self.first.alive():
            found.add(self.first)
            found.update(filter(None, map(Process.of, proc.descendants(self.first.pid))))
        return {process for process in found if process.pid != os.getpid()}


def end(found: Door | None, *, grace: float) -> bool:
    """End all processes of the door; whether there were any.

    `ContainerError("container.stuck")` when some do not even end by SIGKILL.
    """
    running = _running(found)
    known = running.processes()
    if not known:
        return False
    if running.first is not None and running.first.alive():
        _signal({running.first}, signal.SIGTERM)
        _await_end({running.first}, grace)
    until = time.monotonic() + KILL_LIMIT
    # What was known first as well: without the supervisor nothing says any more whose it is.
    while left := _alive(known | running.processes()):
        if time.monotonic() > until:
            pids = ", ".join(str(process.pid) for process in sorted(left, key=lambda one: one.pid))
            message = f"processes of the door do not end: {pids}"
            raise ContainerError("container.stuck", message, "They hang in the kernel.")
        known |= left
        _signal(left, signal.SIGKILL)
        time.sleep(locks.POLL)
    _require_deaf(running.listener)
    return True


def _running(found: Door | None) -> _Running:
    if found is None:
        return _Running(None, "")
    first = _first(found)
    if first is None:
        return _Running(None, found.container_id or admin.NAME)
    container = cgroups.container_of(first.pid, admin.NAME)
    running = _Running(first, container)
    return dataclasses.replace(running, listener=_listener(found, running.processes()))


def _first(found: Door) -> Process | None:
    """The supervisor, by the record or by its own word, if it is in a container that is not ours.

    A record may be wrong: no other process is ended for it.
    """
    if found.state == "open":
        process = found.process() if found.alive() else None
    else:
        phase = doors.phase()
        process = Process.of(phase.pid) if phase is not None else None
        # A pid that was another's before would be older than the start.
        if process is not None and process.since() < found.opened - 1:
            return None
    if process is None:
        return None
    container = cgroups.container_of(process.pid, admin.NAME)
    ours = cgroups.container_of(os.getpid(), admin.NAME)
    known = not found.container_id or found.container_id == container
    return process if container and container != ours and known else None


def _listener(found: Door, processes: set[Process]) -> str:
    """The inode of the socket on which the door listens."""
    listener = tcp.listener(found.address, found.port)
    if listener is None:
        return ""
    holders = {process for process, _ in tcp.holders({listener.inode})}
    return listener.inode if holders & processes else ""


def _require_deaf(listener: str) -> None:
    """Nobody may have taken the listening socket along."""
    for present in tcp.sockets() if listener else ():
        if present.state == tcp.LISTEN and present.inode == listener:
            owner = tcp.owner(present.inode)
            who = f"{proc.title(owner.pid)} (pid {owner.pid})" if owner else "a program"
            message = f"all of the door has ended, but {who} still listens on its port"
            raise ContainerError("container.stuck", message, "End that program.")


def _alive(processes: set[Process]) -> set[Process]:
    return {process for process in processes if process.alive()}


def _await_end(processes: set[Process], seconds: float) -> None:
    until = time.monotonic() + seconds
    while _alive(processes) and time.monotonic() < until:
        time.sleep(locks.POLL)


def _signal(processes: set[Process], number: int) -> None:
    for process in processes:
        if process.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)
