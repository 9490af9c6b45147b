# SPDX-License-Identifier: Apache-2.0
"""All items, two at a time; whatever ends it early, what is there is kept."""

from __future__ import annotations

import dataclasses
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from threading import Thread
from typing import TYPE_CHECKING, Final, Literal

from launcher import interrupt
from launcher.interrupt import Interrupted
from launcher.process import KILL_GRACE
from toolbox.collect.item import Item, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from launcher.monitor import Monitor
    from toolbox.collect.item import Status

# A node in trouble is not to be burdened by those who look at it.
WORKERS: Final = 2
_POLL: Final = 0.2  # seconds
# What ends by its own limit takes some time for it, such as a program that has to be killed.
_GRACE: Final = 2 * KILL_GRACE + 1

Ending = Literal["complete", "interrupted", "timeout", "full"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """`collect` gets one item, in a worker; `keep` takes outcomes, in the caller's thread.

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
    running: list[_Worker] = []
    ending: Ending = "complete"
    try:
        while queue.waiting or running:
            while queue.waiting and len(running) < WORKERS:
                running.append(_Worker(work, queue.next(work.monitor)))
            for outcome in _ended(running):
                _take(work, queue, outcome)
            interrupt.check()
            if why := _must_end(work):
                ending = why
                break
    except Interrupted:
        ending = "interrupted"
    _give_up(work, queue, running, ending)
    for item in reversed(queue.waiting):
        work.keep(Outcome(item=item, status="skipped", note=_SKIPPED[ending]))
    return ending


_SKIPPED: Final = {
    "complete": "",
    "interrupted": "collection was interrupted before",
    "timeout": "the time for the whole collection was up before",
    "full": "the disk had no room for more",
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


class _Worker:
    """An item under way, in a thread that nobody waits for at the end, as a pool would."""

    def __init__(self, work: Work, item: Item) -> None:
        self.item = item
        self.future: Future[Outcome] = Future()
        self._began = time.monotonic()
        Thread(target=self._run, args=(work.collect,), name="collect", daemon=True).start()

    def _run(self, collect: Callable[[Item], Outcome]) -> None:
        try:
            self.future.set_result(collect(self.item))
        except BaseException as defect:  # noqa: BLE001 - raised again in the caller's thread
            self.future.set_exception(defect)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    @property
    def overdue(self) -> bool:
        return self.seconds > self.item.timeout + _GRACE

    def given_up(self, status: Status) -> Outcome:
        note = "it did not end by its own limit and was given up"
        return Outcome(item=self.item, status=status, note=note, seconds=self.seconds)


def _ended(running: list[_Worker]) -> Iterator[Outcome]:
    wait([each.future for each in running], timeout=_POLL, return_when=FIRST_COMPLETED)
    for each in list(running):
        if each.future.done() or each.overdue:
            running.remove(each)
            yield each.future.result() if each.future.done() else each.given_up("timeout")


def _take(work: Work, queue: _Queue, outcome: Outcome) -> None:
    if outcome.item.kind == "glob" and outcome.status == "ok":
        queue.replace(outcome.matches)
    else:
        work.keep(outcome)


def _must_end(work: Work) -> Ending | None:
    if not work.room():
        return "full"
    return "timeout" if time.monotonic() >= work.until else None


def _give_up(work: Work, queue: _Queue, running: list[_Worker], ending: Ending) -> None:
    """Keep what was under way as far as it came; what does not end now is not waited for."""
    wait([each.future for each in running], timeout=_GRACE)
    status: Status = "interrupted" if ending == "interrupted" else "timeout"
    for each in running:
        if ending == "full":
            queue.waiting.append(each.item)
        elif each.future.done():
            _take(work, queue, each.future.result())
        else:
            work.keep(each.given_up(status))
