# SPDX-License-Identifier: Apache-2.0
"""Monitors of containers whose podman was killed before it noted that it had made them.

podman creates a container, conmon(8) has the OCI runtime set it up, and only then does podman write
down that there is something to remove. What is killed in between leaves a monitor and a process
that waits to become the container's first; `podman rm` forgets the container and ends neither.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from launcher import proc, process
from launcher.deadline import NEVER, Deadline
from launcher.errors import HatchwayError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_LIMIT: Final = 20.0  # seconds
_ID: Final = re.compile(r"[0-9a-f]{64}")


class Monitor(NamedTuple):
    """A monitor that runs, with its container's id and name."""

    container: str
    name: str


def end(name: str, runtime: Callable[[], str], deadline: Deadline = NEVER) -> None:
    """End what a container of that name has left; podman is to know of none any more.

    `runtime` gives the OCI runtime's program. Nothing waits for this, so no failure is told.
    """
    for monitor in running():
        if monitor.name == name:
            with contextlib.suppress(HatchwayError):
                argv = (runtime(), "delete", "--force", monitor.container)
                process.run(argv, timeout=deadline.left(_LIMIT), check=False)


def running() -> Iterator[Monitor]:
    """Those that root started on the host: what others call themselves is not believed."""
    for pid in proc.called("conmon"):
        if proc.is_like_us(pid) and (found := _parsed(proc.arguments(pid))):
            yield found


def _parsed(argv: Sequence[str]) -> Monitor | None:
    """From `conmon -c ID -n NAME ...`: what follows an option for the first time."""
    given = dict(reversed(list(itertools.pairwise(argv))))
    container, name = given.get("-c", ""), given.get("-n", "")
    return Monitor(container, name) if _ID.fullmatch(container) else None
