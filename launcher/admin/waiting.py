# SPDX-License-Identifier: Apache-2.0
"""From a started container to one that says it is open, or why it is not."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from admin_image import spec
from launcher import door as doors
from launcher import files, interrupt
from launcher.errors import CODES, ContainerError, DoorError, HatchwayError, HostError
from launcher.proc import Process

if TYPE_CHECKING:
    from collections.abc import Callable

    from admin_image.spec import Phase

PLACES: Final = (spec.RUN, spec.STATE, spec.LOG)
POLL: Final = 0.005  # of a small file in memory
LOG_LINES: Final = 8
HINT: Final = "Look at `hatchway admin logs`."


def await_open(pid: int, until: float, clock: Callable[[], float] = time.monotonic) -> Phase:
    """Wait until the container says that sshd listens; what it says instead becomes the error."""
    process = Process.of(pid)
    while clock() < until:
        # First the process, then its word: its last word may come just before it ends.
        alive = process is not None and process.alive()
        phase = doors.phase()
        if phase is not None and phase.phase == "failed":
            code = phase.code if phase.code in CODES else "container.died"
            raise DoorError(code, phase.message, HINT, log=doors.log_tail(LOG_LINES))
        if not alive:
            raise died()
        interrupt.check()
        if phase is not None and phase.phase == "open":
            return phase
        time.sleep(POLL)
    message = "the container runs, but its SSH server did not come up in time"
    hint = "Give it longer with --timeout, or look at `hatchway admin logs`."
    raise DoorError("door.timeout", message, hint, log=doors.log_tail(LOG_LINES))


def died() -> HatchwayError:
    """The container is gone; its last words are in the log, if there was room for them."""
    tail = doors.log_tail(LOG_LINES)
    if full := next((place for place in PLACES if files.is_full(Path(place))), ""):
        message = f"the container could not write below {full}: the file system is full"
        hint = "Free some space there, then start again."
        return HostError("host.disk-full", message, hint, log=tail)
    last = tail.splitlines()[-1] if tail else "it left no log"
    message = f"the container ended before the door was open: {last}"
    return ContainerError("container.died", message, HINT, log=tail)
