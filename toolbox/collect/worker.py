# SPDX-License-Identifier: Apache-2.0
"""An item under way, in a process of its own: it may hang or die at nobody else's cost."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from launcher import apart, interrupt
from launcher.interrupt import Interrupted
from launcher.process import KILL_GRACE
from toolbox.collect.item import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from toolbox.collect.item import Item, Status

# Seconds. What ends by its own limit takes some time for it, such as a program to be killed.
GRACE: Final = 2 * KILL_GRACE + 1
_LAST: Final = 1.0  # for what is told to end after that


class Worker:
    """Collects in a child; raises `OSError` where there is no room for one."""

    def __init__(self, collect: Callable[[Item], Outcome], item: Item) -> None:
        self.item = item
        self._began = time.monotonic()
        self._child = apart.Child(partial(_collected, collect, item))
        self.ready = self._child.ready
        self._told = False

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    @property
    def overdue(self) -> bool:
        return self.seconds > self.item.timeout + GRACE

    def outcome(self, status: Status) -> Outcome:
        """What it came to; of `status` if it had to be ended, or is given up."""
        with contextlib.closing(self._child):
            if not self._answers():
                return self._lost(status, "it did not end by its own limit and was given up")
            try:
                found: Outcome = next(self._child)
            except Exception as error:  # noqa: BLE001 - killed, or more than there is memory for
                stopped = isinstance(interrupt.cause(error), Interrupted)
                return self._lost("interrupted" if stopped else "failed", _words(error))
        ours = self._told and found.status == "interrupted"
        return dataclasses.replace(found, status=status) if ours else found

    def _answers(self) -> bool:
        """Whether there is an outcome, at the latest when it is told to end what it started."""
        if self._told or self.ready.poll():
            return self.ready.poll()
        self.interrupt()
        return self.ready.poll(_LAST)

    def _lost(self, status: Status, note: str) -> Outcome:
        return Outcome(item=self.item, status=status, note=note, seconds=self.seconds)

    def interrupt(self) -> None:
        """Have it end with what it has."""
        self._told = True
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child.pid, signal.SIGTERM)


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _collected(collect: Callable[[Item], Outcome], item: Item) -> Iterator[Outcome]:
    with interrupt.noted():
        yield collect(item)
