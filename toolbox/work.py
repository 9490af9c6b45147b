# SPDX-License-Identifier: Apache-2.0
"""Records of work that goes on without its caller: on disk, so that they outlive everything."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
import time
from typing import TYPE_CHECKING, Any, Final, Self

from launcher import files
from launcher.door import STATE
from launcher.errors import ContainerError
from launcher.proc import Process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORK: Final = STATE / "toolbox" / "work"
KEPT: Final = 50  # records of what has ended
KEPT_FOR: Final = 7 * 86_400.0  # seconds
BEGINS_WITHIN: Final = 30.0  # seconds; what has not begun by then never will


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A command in the background.

    `state` is `starting`, `running`, `ended`, or `lost` when nobody is there to end it any more;
    times are in seconds since the epoch, 0 while unknown; `status` is the command's once ended.
    `worker` is the process that waits for it.
    """

    id: str
    state: str
    command: tuple[str, ...]
    image: str
    profile: str
    asked: float
    began: float = 0.0
    ended: float = 0.0
    status: int | None = None
    worker: tuple[int, int] = (0, 0)

    @property
    def directory(self) -> Path:
        return WORK / self.id

    @property
    def log(self) -> Path:
        return self.directory / "log"

    def process(self) -> Process:
        return Process(*self.worker)

    def as_json(self) -> dict[str, Any]:
        """The documented form."""
        facts = dataclasses.asdict(self)
        del facts["worker"]
        until = self.ended or time.time()
        return {**facts, "duration": round(until - self.began, 3) if self.began else 0.0}

    @classmethod
    def read(cls, directory: Path) -> Self | None:
        """The record, with the state as it is now."""
        found = cls._recorded(directory)
        if found is not None and found.is_lost():
            # It may have ended in order between our look at the record and the one at its process.
            found = cls._recorded(directory)
        if found is not None and found.is_lost():
            return dataclasses.replace(found, state="lost")
        return found

    @classmethod
    def _recorded(cls, directory: Path) -> Self | None:
        try:
            facts: dict[str, Any] = json.loads((directory / "record.json").read_bytes())
            lists = {name: tuple(facts[name]) for name in ("command", "worker")}
            return cls(**{**facts, **lists})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def is_lost(self) -> bool:
        """Whether it says that it goes on, and nobody is there."""
        if self.state == "running":
            return not self.process().alive()
        late = time.time() > self.asked + BEGINS_WITHIN
        return self.state == "starting" and late and not self.process().alive()


def write(work: Work) -> None:
    facts = dataclasses.asdict(work)
    files.write(work.directory / "record.json", json.dumps(facts).encode())


def make(work: Work) -> None:
    """Put a new record on disk, and forget those that are too old or too many."""
    for place in (STATE, STATE / "toolbox", WORK):
        files.own_directory(place, mode=0o755 if place == STATE else 0o700)
    with _alone():
        _forget()
        with files.explained(work.directory):
            work.directory.mkdir(mode=0o700)
        write(work)


def every() -> list[Work]:
    """All records, the latest first."""
    found = [Work.read(place) for place in WORK.glob("*")]
    return sorted((work for work in found if work), key=lambda work: work.asked, reverse=True)


def found(text: str) -> Work:
    """The record whose id begins with `text`; `ContainerError` when none or several do."""
    fitting = [work for work in every() if text and work.id.startswith(text)]
    if len(fitting) == 1:
        return fitting[0]
    ids = ", ".join(work.id for work in fitting or every()[:5]) or "none"
    what = "several have ids that begin so" if fitting else "there is no work of that id"
    hint = f"Ids: {ids}. `hatchway toolbox list` has all of them."
    raise ContainerError("toolbox.not-found", f"{text!r}: {what}", hint)


def _forget() -> None:
    over = [work for work in every() if work.state in ("ended", "lost")]
    for number, work in enumerate(over):
        if number >= KEPT - 1 or time.time() - (work.ended or work.asked) > KEPT_FOR:
            shutil.rmtree(work.directory, ignore_errors=True)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    with files.explained(WORK):
        lock = os.open(WORK, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
