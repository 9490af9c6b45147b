# SPDX-License-Identifier: Apache-2.0
"""The kernel's log, read from /dev/kmsg: what it killed, which disks fail, what hangs."""

from __future__ import annotations

import contextlib
import os
import re
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from toolbox.doctor.diagnosis import Diagnosis, count
from toolbox.doctor.signs import SIGNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MOST_LINES: Final = 200_000
_SHOWN: Final = 8


class Line(NamedTuple):
    """`seconds` since the kernel began; `level` as syslog(3) counts, 0 the worst."""

    seconds: float
    level: int
    text: str


# The kernel and dracut repeat what the boot loader said, such as `hung_task_panic=1`.
_QUOTES: Final = re.compile(r"\bcommand line\b", re.IGNORECASE)
_IN_CGROUP: Final = re.compile(r"Memory cgroup|CONSTRAINT_MEMCG")


def read() -> tuple[Line, ...]:
    """All that the kernel still has."""
    fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    found: list[Line] = []
    try:
        for _ in range(_MOST_LINES):
            try:
                found.append(parse(os.read(fd, 8192).decode("utf-8", "replace")))
            except BrokenPipeError:  # this one was overwritten; the next is there
                continue
            except BlockingIOError:
                break
    finally:
        os.close(fd)
    return tuple(found)


def parse(record: str) -> Line:
    """A record of /dev/kmsg: `level,number,microseconds,flags;text` and more lines about it."""
    head, _, text = record.partition(";")
    fields = head.split(",")
    with contextlib.suppress(ValueError, IndexError):
        return Line(int(fields[2]) / 1e6, int(fields[0]) & 7, text.partition("\n")[0])
    return Line(0.0, 6, record.partition("\n")[0])


def render(lines: Sequence[Line]) -> str:
    """As dmesg(1) prints, with the time of day."""
    began = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return "".join(
        f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(began + line.seconds))} "
        f"[{line.seconds:12.6f}] <{line.level}> {line.text}\n"
        for line in lines
    )


def check(lines: Sequence[Line]) -> Iterator[Diagnosis]:
    told = [line for line in lines if not _QUOTES.search(line.text)]
    for sign in SIGNS:
        found = [line for line in told if sign.pattern.search(line.text)]
        if not found:
            continue
        severity = sign.severity
        # A container that met its own limit is no emergency of the node's.
        if sign.code == "kernel.oom" and all(_IN_CGROUP.search(line.text) for line in found):
            severity = "warning"
        yield Diagnosis(
            sign.code,
            severity,
            f"{sign.title} ({count(len(found), 'line')} in the kernel's log)",
            tuple(f"[{line.seconds:.0f} s] {line.text}" for line in found[-_SHOWN:]),
            sign.advice,
        )
