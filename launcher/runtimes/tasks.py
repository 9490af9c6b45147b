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
        if task := self._task(name):
            return task
        if self.known(name) or snapshots.root(name).exists():
            return Container(name, name, State.STOPPED)
        return None

    def known(self, name: str) -> bool:
        """Whether containerd has a container of that name, in whatever state."""
        return name in self.ctr("containers", "ls", "-q").text().split()

    def runs(self, name: str) -> bool:
        task = self._task(name)
        return task is not None and task.state in (State.RUNNING, State.PAUSED)

    def _task(self, name: str) -> Container | None:
        for line in self.ctr("tasks", "ls").text().splitlines()[1:]:
            task, pid, state = line.split()[:3]
            if task == name:
                known = _STATES.get(state, State.STOPPED)
                return Container(name, name, known, int(pid) if known != State.STOPPED else 0)
        return None

    def end(self, name: str, grace: float) -> None:
        """SIGTERM to the first process; SIGKILL to all of them when the grace is over."""
        if not self.runs(name):
            return
        self.ctr("tasks", "kill", "--signal", "SIGTERM", name, check=False)
        if not self._ends_within(name, grace):
            self.ctr("tasks", "kill", "--all", "--signal", "SIGKILL", name, check=False)
            self._ends_within(name, grace)

    def _ends_within(self, name: str, seconds: float) -> bool:
        until = self.ctr.deadline.within(seconds)
        while self.runs(name):
            if until.passed:
                return False
            time.sleep(POLL)
        return True
