# SPDX-License-Identifier: Apache-2.0
"""Monitors of containers whose podman was killed before it noted that it had made them.

podman creates a container, conmon(8) has the OCI runtime set it up, and only then does podman write
down that there is something to remove. What is killed in between leaves a monitor and a process
that waits to become the container's first; `podman rm` forgets the container and ends neither.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from launcher import proc, process

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LIMIT: Final = 20.0  # seconds
_ID: Final = re.compile(r"[0-9a-f]{64}")


class Monitor(NamedTuple):
    """A monitor that runs; `runtime` is the OCI runtime's program."""

    container: str
    name: str
    runtime: str


def end(name: str) -> None:
    """End whatever a container of that name has left; podman is to know of none any more."""
    for monitor in running():
        if monitor.name == name:
            argv = (monitor.runtime, "delete", "--force", monitor.container)
            process.run(argv, timeout=_LIMIT, check=False)


def running() -> Iterator[Monitor]:
    """Those that were started where we are: what runs in a container is not believed."""
    for pid in proc.called("conmon"):
        if proc.is_like_us(pid) and (found := _parsed(proc.arguments(pid))):
            yield found


def _parsed(argv: Sequence[str]) -> Monitor | None:
    """From `conmon -c ID -n NAME -r RUNTIME ...`: what follows an option for the first time."""
    given = dict(reversed(list(itertools.pairwise(argv))))
    container, name, runtime = (given.get(option, "") for option in ("-c", "-n", "-r"))
    return Monitor(container, name, runtime) if _ID.fullmatch(container) and runtime else None
