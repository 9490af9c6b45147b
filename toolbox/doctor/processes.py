# SPDX-License-Identifier: Apache-2.0
"""Processes: those that wait in the kernel, those that nobody buried, and how many there may be."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from toolbox.doctor.diagnosis import Diagnosis, count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ZOMBIES: Final = 20
_SHOWN: Final = 10
_TIGHT: Final = 0.85  # of what there may be
_AGAIN: Final = 0.3  # seconds: a process in state D for a moment just reads its disk


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """`memory` is resident, in bytes; `seconds` of CPU so far; `started` in ticks since boot."""

    pid: int
    parent: int
    name: str
    state: str
    threads: int = 1
    memory: int = 0
    seconds: float = 0.0
    started: int = 0
    waits_in: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Processes:
    """`stuck` were in state D at two looks; `limit` is the least of pid_max and threads-max."""

    all: tuple[Process, ...]
    stuck: tuple[Process, ...]
    limit: int


def read() -> Processes:
    import time

    first = {(p.pid, p.started) for p in look() if p.state == "D"}
    if first:
        time.sleep(_AGAIN)
    found = tuple(look())
    stuck = tuple(p for p in found if p.state == "D" and (p.pid, p.started) in first)
    limits = [_number(Path("/proc/sys/kernel", name)) for name in ("pid_max", "threads-max")]
    return Processes(found, stuck, min((limit for limit in limits if limit), default=0))


def look() -> Iterator[Process]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):  # it ended meanwhile
                yield _process(entry.path)


def _process(place: str) -> Process:
    text = Path(place, "stat").read_text(encoding="utf-8", errors="replace")
    name = text[text.index("(") + 1 : text.rindex(")")]
    fields = text[text.rindex(")") + 1 :].split()
    waits = ""
    if fields[0] == "D":
        with contextlib.suppress(OSError):
            waits = Path(place, "wchan").read_text()
    return Process(
        pid=int(text.split()[0]),
        name=name,
        state=fields[0],
        parent=int(fields[1]),
        threads=int(fields[17]),
        memory=int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
        seconds=(int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
        started=int(fields[19]),
        waits_in=waits,
    )


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


def check(processes: Processes) -> Iterator[Diagnosis]:
    if processes.stuck:
        yield Diagnosis(
            "processes.stuck",
            "warning",
            f"{count(len(processes.stuck), 'process is', 'processes are')} "
            "in uninterruptible sleep (state D)",
            tuple(f"pid {p.pid} {p.name}: {p.waits_in or 'D'}" for p in processes.stuck[:_SHOWN]),
            "They wait for a disk or a server; `/proc/PID/stack` says where.",
        )
    dead = [process for process in processes.all if process.state == "Z"]
    if len(dead) >= _ZOMBIES:
        parents = _parents(dead)
        yield Diagnosis(
            "processes.zombies",
            "warning",
            f"{len(dead)} zombie processes",
            tuple(
                f"{count(number, 'zombie child', 'zombie children')} of pid {pid}"
                for pid, number in parents[:_SHOWN]
            ),
            "Their parent does not wait for them: restart it.",
        )
    threads = sum(process.threads for process in processes.all)
    if processes.limit and threads >= processes.limit * _TIGHT:
        yield Diagnosis(
            "processes.limit",
            "critical",
            f"{threads} of {processes.limit} possible threads run",
            (f"threads: {threads}, kernel.pid_max or threads-max: {processes.limit}",),
            "Find who starts so many; raise kernel.pid_max.",
        )


def _parents(dead: Sequence[Process]) -> list[tuple[int, int]]:
    numbers: dict[int, int] = {}
    for process in dead:
        numbers[process.parent] = numbers.get(process.parent, 0) + 1
    return sorted(numbers.items(), key=lambda item: -item[1])
