# SPDX-License-Identifier: Apache-2.0
"""What runs in a containerd: the task of a container, which has its name."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Final

from launcher.runtimes import snapshots
from launcher.runtimes.base import Container, State

if TYPE_CHECKING:
    from launcher.runtimes.ctr import Ctr

POLL: Final = 0.05  # seconds

_STATES: Final = {
    "CREATED": State.CREATED, "RUNNING": State.RUNNING, "PAUSED": State.PAUSED,
    "PAUSING": State.PAUSED, "STOPPED": State.STOPPED, "UNKNOWN": State.STOPPED,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Tasks:
    """Containers in whatever state, and their ends."""

    ctr: Ctr

    def find(self, name: str) -> Container | None:
        for line in self.ctr("tasks", "ls").text().splitlines()[1:]:
            task, pid, state = line.split()[:3]
            if task == name:
                known = _STATES.get(state, State.STOPPED)
                return Container(name, name, known, int(pid) if known != State.STOPPED else 0)
        known_names = self.ctr("containers", "ls", "-q").text().split()
        if name in known_names or snapshots.root(name).exists():
            return Container(name, name, State.STOPPED)
        return None

    def runs(self, name: str) -> bool:
        found = self.find(name)
        return found is not None and found.state in (State.RUNNING, State.PAUSED)

    def end(self, name: str, grace: float) -> bool:
        """SIGTERM to the first process; SIGKILL to all of them when the grace is over.

        Gives whether anything of this name is there: each question costs a process.
        """
        found = self.find(name)
        if found is None or found.state not in (State.RUNNING, State.PAUSED):
            return found is not None
        self.ctr("tasks", "kill", "--signal", "SIGTERM", name, check=False)
        if not self._ends_within(name, grace):
            self.ctr("tasks", "kill", "--all", "--signal", "SIGKILL", name, check=False)
            self._ends_within(name, grace)
        return True

    def _ends_within(self, name: str, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while self.runs(name):
            if time.monotonic() > until:
                return False
            time.sleep(POLL)
        return True
