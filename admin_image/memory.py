# SPDX-License-Identifier: Apache-2.0
"""Who pays for what memory: a group for the door itself, and one for each session.

The engine gives the container one memory group (cgroup) and one limit. Where all of it stands in
that one group, whatever a session writes into a tmpfs is everybody's, and the kernel kills the
supervisor for it. So the group is divided:

    CONTAINER            the engine's limit
    ├── door             supervisor, sshd: what the limit of `sessions` leaves is theirs
    └── sessions         all sessions together
        ├── PID          one connection, by the pid of its sshd-session (see static/session)
        └── spare        one that could get no group of its own: memory is short then

A file in a tmpfs is charged to the group that wrote it, and outlives the session. What sessions
that ended have left is added to the limits, so that those who come later have their room.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from admin_image import cgroups
from admin_image.files import read_text, write_atomically
from admin_image.spec import BELOW_SESSIONS, SESSION_LIMIT_FILE, SPARE
from hostview import oom

if TYPE_CHECKING:
    from admin_image.cgroups import Group

MIB = 1 << 20
# Seconds between looks while there are sessions, or files that some have left.
PAUSE = 1.0
# The door's own: Python and sshd take some 20 MiB, each connection that is no session yet 4 more.
RESERVE = 64 * MIB
# What a session finds in any case, however much others have left.
LEAST_ROOM = 64 * MIB
# Of kills that nobody has read yet, the latest are the ones that matter.
SHOWN = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Budget:
    """How the memory is divided, in bytes; `most` is as far as what is left over raises it."""

    container: int
    reserve: int
    most: int

    @classmethod
    def of(cls, limit: int, host: int) -> Budget:
        """`limit` is the container's own; the sum never takes more than half of the host."""
        limit = min(limit, host)
        return cls(limit, min(RESERVE, limit // 4), max(limit, host // 2))

    def sessions(self, left: int) -> int:
        """The limit of all sessions, when `left` bytes are of sessions that ended."""
        room = self.container - self.reserve
        return max(min(room + left, self.most - self.reserve), left + min(room, LEAST_ROOM))

    def session(self, left: int) -> int:
        """The limit of one: who fills it leaves a quarter to the others."""
        return (self.sessions(left) - left) * 3 // 4


class Memory:
    """The container's memory group, once it is divided."""

    def __init__(self, container: Group) -> None:
        self._container = container
        self._door = container.child("door")
        self._sessions = container.child("sessions")
        self._budget = Budget.of(container.limit(), _host_memory())
        self._spare = self._sessions.child(SPARE)
        self._killed: dict[str, int] = {}
        self._told: list[str] = []
        self._left = 0
        try:
            self._log = oom.open_log(at_end=True)
        except OSError:
            self._log = -1  # then kills are told without names

    def divide(self) -> None:
        """Make the groups and go into the door's; `OSError` leaves all as it was."""
        self._container.make_hierarchical()
        try:
            for group in (self._door, self._sessions):
                group.make()
            for pid in self._container.pids():
                self._door.add(pid)
            for group in (self._container, self._sessions):
                group.pass_on()
            self._spare.make()
            self._set_limits()
        except OSError:
            self.close()
            raise

    @property
    def busy(self) -> bool:
        """Whether there is something to look at from time to time."""
        return bool(self._left) or len(self._sessions.children()) > 1

    def look(self) -> list[str]:
        """What was killed since the last look, after which ended sessions have gone."""
        kills = oom.kills(self._log) if self._log >= 0 else []
        said = []
        for session in self._sessions.children():
            count = session.kills()
            if new := count - self._killed.get(session.name, 0):
                said.append(self._sentence(session, new, kills))
            self._killed[session.name] = count
            if self._is_over(session):
                session.remove()
                self._killed.pop(session.name, None)
        self._make_room()
        self._told = [*self._told, *said][-SHOWN:]
        return said

    def notes(self) -> list[str]:
        """What those who enter should know."""
        if not self._left:
            return self._told
        left = (
            f"sessions that ended have left {self._left // MIB} MiB in files in memory (tmpfs); "
            "they stay until somebody removes them"
        )
        return [*self._told, left]

    def close(self) -> None:
        """End what is left in sessions, and leave the container's group as it was found."""
        for session in self._sessions.children():
            for pid in session.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            session.remove()
        self._sessions.keep()
        self._sessions.remove()
        self._container.keep()
        for pid in self._door.pids():
            with contextlib.suppress(OSError):
                self._container.add(pid)
        self._door.remove()

    def _is_over(self, session: Group) -> bool:
        """Not one that is about to be entered: its process is there before its group."""
        known = session == self._spare or Path("/proc", session.name).exists()
        return not known and not session.pids()

    def _make_room(self) -> None:
        before, self._left = self._left, self._left_over()
        if before == self._left:
            return
        try:
            self._set_limits()
        except OSError:  # v1 takes no limit below what it cannot reclaim: at the next look then
            self._left = before

    def _set_limits(self) -> None:
        budget, left = self._budget, self._left
        sessions = budget.sessions(left)
        self._container.set_limit(sessions + budget.reserve)
        self._sessions.set_limit(sessions)
        self._spare.set_limit(budget.session(left))
        # Read by static/session and by the launcher's `exec`.
        line = f"{self._container.kind.limit} {budget.session(left)}\n"
        write_atomically(SESSION_LIMIT_FILE, line)

    def _left_over(self) -> int:
        """Bytes in tmpfs of sessions that are over; less than a MiB is not worth a word."""
        mine = sum(session.shared() for session in self._sessions.children())
        left = max(0, self._sessions.shared() - mine)
        return left // MIB * MIB

    def _sentence(self, session: Group, count: int, kills: list[oom.Kill]) -> str:
        ends = f"{BELOW_SESSIONS}{session.name}"
        names = [kill.name for kill in kills if kill.group.endswith(ends)]
        whole = [kill for kill in kills if kill.group.endswith(ends) and kill.limited != kill.group]
        limit = (self._sessions if whole else session).limit() // MIB
        who = ", ".join(dict.fromkeys(names)) or ("a process" if count == 1 else "processes")
        verb = "was" if count == 1 else "were"
        return f"{who} {verb} killed: memory limit of {limit} MiB for {_whose(whole)}"


def divided() -> tuple[Memory | None, list[str]]:
    """Divide the container's memory, or say why it stays in one."""
    try:
        memory = Memory(cgroups.container())
        memory.divide()
    except (OSError, ValueError) as error:
        why = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else str(error)
        return None, [f"a session that fills its memory may end the door: no groups ({why})"]
    return memory, []


def _whose(whole: list[oom.Kill]) -> str:
    return "all sessions" if whole else "a session"


def _host_memory() -> int:
    total = next(line for line in read_text("/proc/meminfo").splitlines() if "MemTotal" in line)
    return int(total.split()[1]) << 10
