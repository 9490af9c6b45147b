# SPDX-License-Identifier: Apache-2.0
"""Which processes are a container's, from proc(5): their control groups name it.

Engines differ in where the groups are (`/docker/ID`, `machine.slice/libpod-ID.scope`,
`/hatchway/NAME`), and a container may have groups below its own; the part that names it stays.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from launcher.deadline import Deadline
from launcher.proc import Process

if TYPE_CHECKING:
    from collections.abc import Iterator

_POLL: Final = 0.05  # seconds
# podman's monitor has a group of its own beside the container's, `libpod-conmon-ID`: not this.
_ID: Final = re.compile(r"(?:[a-z]+-)?(?P<id>[0-9a-f]{64})(?:\.scope)?")


def container_of(pid: int, name: str = "") -> str:
    """The id of the container that the process is in, or `name` where a group has that one.

    Of several, as in a container within another, the innermost; empty outside of any.
    """
    for part in reversed([part for path in _paths(pid) for part in path.split("/")]):
        if name and part == name:
            return name
        found = _ID.fullmatch(part)
        if found:
            return found["id"]
    return ""


def members(container: str) -> list[Process]:
    """The living processes in a container's groups, by its id; never ourselves."""
    if not container:
        return []
    return [found for pid in _pids() if _is_in(pid, container) and (found := Process.of(pid))]


def end(container: str, seconds: float) -> bool:
    """Kill all that is in a container's groups; whether some of it is left after `seconds`."""
    limit = Deadline.after(seconds)
    while left := members(container):
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        if limit.passed:
            return True
        time.sleep(_POLL)
    return False


def _is_in(pid: int, container: str) -> bool:
    return pid != os.getpid() and any(is_of(path, container) for path in _paths(pid))


def is_of(path: str, container: str) -> bool:
    """Whether a group, by its path, is a container's or below that, by its id or name."""
    return any(part == container or _names(part, container) for part in path.split("/"))


def _names(part: str, container: str) -> bool:
    found = _ID.fullmatch(part)
    return found is not None and found["id"] == container


def _paths(pid: int) -> list[str]:
    """The groups of a process; on a hybrid host it has one in each hierarchy."""
    with contextlib.suppress(OSError):
        lines = os.fsdecode(Path(f"/proc/{pid}/cgroup").read_bytes()).split("\n")
        return [line.split(":", 2)[2] for line in lines if line.count(":") >= 2]
    return []


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 - thousands
