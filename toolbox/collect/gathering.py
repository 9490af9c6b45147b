# SPDX-License-Identifier: Apache-2.0
"""All items, two at a time; whatever ends it early, what is there is kept."""

from __future__ import annotations

import dataclasses
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final, Literal

from launcher import interrupt
from launcher.interrupt import Interrupted
from toolbox.collect.item import Item, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from launcher.monitor import Monitor

# A node in trouble is not to be burdened by those who look at it.
WORKERS: Final = 2
_POLL: Final = 0.2  # seconds

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
    waiting = list(reversed(work.items))
    running: dict[Future[Outcome], Item] = {}
    ending: Ending = "complete"
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="collect") as pool:
        try:
            while waiting or running:
                while waiting and len(running) < WORKERS:
                    item = waiting.pop()
                    number = len(work.items) - len(waiting)
                    work.monitor.step(f"{number}/{len(work.items)} {item.name}")
                    running[pool.submit(work.collect, item)] = item
                for outcome in _finished(running):
                    work.keep(outcome)
                interrupt.check()
                if why := _must_end(work):
                    ending = why
                    break
        except Interrupted:
            ending = "interrupted"
        waiting += _given_up(work, running, ending)
    for item in reversed(waiting):
        work.keep(Outcome(item=item, status="skipped", note=_SKIPPED[ending]))
    return ending


_SKIPPED: Final = {
    "complete": "",
    "interrupted": "collection was interrupted before",
    "timeout": "the time for the whole collection was up before",
    "full": "the disk had no room for more",
}


def _finished(running: dict[Future[Outcome], Item]) -> Iterator[Outcome]:
    done, _ = wait(running, timeout=_POLL, return_when=FIRST_COMPLETED)
    for future in done:
        del running[future]
        yield future.result()


def _must_end(work: Work) -> Ending | None:
    if not work.room():
        return "full"
    return "timeout" if time.monotonic() >= work.until else None


def _given_up(work: Work, running: dict[Future[Outcome], Item], ending: Ending) -> list[Item]:
    """Keep what was under way as far as it came; each is bounded in time by its own limit."""
    left = []
    for future, item in running.items():
        if future.cancel():
            left.append(item)
        elif ending != "full":
            work.keep(future.result())
        else:
            future.result()
            left.append(item)
    running.clear()
    return left
