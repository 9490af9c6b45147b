# SPDX-License-Identifier: Apache-2.0
"""All items, two at a time; whatever ends it early, what is there is kept."""

from __future__ import annotations

import dataclasses
import time
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Final, Literal

from launcher import interrupt
from launcher.interrupt import Interrupted
from toolbox.collect.item import Item, Outcome
from toolbox.collect.worker import GRACE, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from launcher.monitor import Monitor
    from toolbox.collect.item import Status

# A node in trouble is not to be burdened by those who look at it.
WORKERS: Final = 2
_POLL: Final = 0.2  # seconds

Ending = Literal["complete", "interrupted", "timeout", "full"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """`collect` gets one item, in a process for it alone; `keep` takes outcomes, here.

    `room` says why collection must end, or nothing; `until` is when, by the monotonic clock.
    """

    items: Sequence[Item]
    collect: Callable[[Item], Outcome]
    keep: Callable[[Outcome], None]
    room: Callable[[], bool]
    until: float
    monitor: Monitor


def gather(work: Work) -> Ending:
    """Collect until all is there, a signal comes, time is up or the disk fills."""
    queue = _Queue(work.items)
    running: list[Worker] = []
    try:
        ending = _go_on(work, queue, running)
        _give_up(work, queue, running, ending)
    finally:  # nothing is running unless `keep` failed
        _end(running)
    for item in reversed(queue.waiting):
        work.keep(Outcome(item=item, status="skipped", note=_SKIPPED[ending]))
    return ending


def _go_on(work: Work, queue: _Queue, running: list[Worker]) -> Ending:
    try:
        while queue.waiting or running:
            interrupt.check()
            if why := _must_end(work):
                return why
            if queue.waiting and len(running) < WORKERS:
                _begin(work, queue, running)
            more = queue.waiting and len(running) < WORKERS
            for outcome in _ended(running, 0 if more else _POLL):
                _take(work, queue, outcome)
    except Interrupted:
        return "interrupted"
    return "complete"


_SKIPPED: Final = {
    "complete": "",
    "interrupted": "collection was interrupted before",
    "timeout": "the time for the whole collection was up before",
    "full": "the disk, or --max-size, had no room for more",
}


class _Queue:
    """Items that wait, the next one last; what a pattern stands for comes in its place."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.waiting = list(reversed(items))
        self._names = {item.name for item in items}
        self._begun = 0

    def next(self, monitor: Monitor) -> Item:
        item = self.waiting.pop()
        self._begun += 1
        monitor.step(f"{self._begun}/{self._begun + len(self.waiting)} {item.name}")
        return item

    def replace(self, matches: Sequence[Item]) -> None:
        self._begun -= 1
        for item in reversed(matches):
            if item.name not in self._names:
                self._names.add(item.name)
                self.waiting.append(item)


def _begin(work: Work, queue: _Queue, running: list[Worker]) -> None:
    item = queue.next(work.monitor)
    try:
        worker = Worker(work.collect, item)
    except OSError:  # a host that has no room for a process more
        _take(work, queue, work.collect(item))
    else:
        running.append(worker)


def _ended(running: list[Worker], seconds: float) -> Iterator[Outcome]:
    ready = wait([each.ready for each in running], seconds)
    for each in list(running):
        if each.ready in ready or each.overdue:
            running.remove(each)
            yield each.outcome("timeout")


def _take(work: Work, queue: _Queue, outcome: Outcome) -> None:
    if outcome.item.kind == "glob" and outcome.status == "ok":
        queue.replace(outcome.matches)
    else:
        work.keep(outcome)


def _must_end(work: Work) -> Ending | None:
    if not work.room():
        return "full"
    return "timeout" if time.monotonic() >= work.until else None


def _give_up(work: Work, queue: _Queue, running: list[Worker], ending: Ending) -> None:
    """Keep what was under way as far as it came; what does not end now is not waited for."""
    status: Status = "interrupted" if ending == "interrupted" else "timeout"
    for outcome in _end(running, status):
        if ending == "full":
            queue.waiting.append(outcome.item)
        else:
            _take(work, queue, outcome)


def _end(running: list[Worker], status: Status = "interrupted") -> list[Outcome]:
    """Have all of them end with what they have."""
    for each in running:
        each.interrupt()
    _await(running)
    outcomes = [each.outcome(status) for each in running]
    running.clear()
    return outcomes


def _await(running: list[Worker]) -> None:
    """Wait for all of them, but no longer than ending a program may take."""
    until = time.monotonic() + GRACE
    under_way = {each.ready for each in running}
    while under_way and (left := until - time.monotonic()) > 0:
        under_way -= set(wait(under_way, left))
