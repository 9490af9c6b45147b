# SPDX-License-Identifier: Apache-2.0
"""Clients that go on though their launcher was killed, and would make what has just been removed.

None is ended: that would leave half of what it makes, and processes that the engine forgets.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from launcher import interrupt, proc
from launcher.deadline import NEVER, Deadline

if TYPE_CHECKING:
    from collections.abc import Sequence

_LIMIT: Final = 60.0  # seconds: as long as a client may take to start a container
_POLL: Final = 0.05


def wait(program: str, container: str, deadline: Deadline = NEVER) -> None:
    """Wait until no `program` is about to start a container of that name in the background."""
    limit = deadline.within(_LIMIT)
    while any(_starts(pid, container) for pid in proc.called(Path(program).name)):
        interrupt.check()
        if limit.passed:
            return
        time.sleep(_POLL)


def _starts(pid: int, container: str) -> bool:
    argv = proc.arguments(pid)
    return "--detach" in argv and _names(argv, container) and proc.is_like_us(pid)


def _names(argv: Sequence[str], container: str) -> bool:
    return container in argv or f"--name={container}" in argv
