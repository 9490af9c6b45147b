# SPDX-License-Identifier: Apache-2.0
"""Whom the kernel killed when a memory limit was reached, from its own log (/dev/kmsg).

The log is all that tells when the group of processes is gone, and the only place for a name. It
is for advice, not for counting: the kernel leaves lines out when it kills many at once.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

FILE = "/dev/kmsg"
RECORD = 8192  # Documentation/ABI/testing/dev-kmsg: a shorter read gives EINVAL
_MOST_RECORDS = 200_000
# mm/oom_kill.c, dump_oom_victim; whoever runs a program chooses its name, and it may hold commas.
_KILL = re.compile(
    r"oom-kill:constraint=CONSTRAINT_MEMCG,.*?oom_memcg=(?P<limited>.*?),task_memcg=(?P<group>.*?)"
    r",task=(?P<name>.*),pid=(?P<pid>[0-9]+),uid=[0-9]+$"
)


class Kill(NamedTuple):
    """`group` is the victim's memory group, `limited` the one that was full: itself, or above.

    `seconds` are on the monotonic clock.
    """

    name: str
    pid: int
    group: str
    limited: str
    seconds: float


def open_log(*, at_end: bool = False) -> int:
    """Open the kernel's log, for `kills`; `OSError` where it is closed to us."""
    log = os.open(FILE, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if at_end:
        os.lseek(log, 0, os.SEEK_END)
    return log


def kills(log: int) -> list[Kill]:
    """All that came since the last call, or since the kernel began."""
    found = []
    for _ in range(_MOST_RECORDS):
        try:
            record = os.read(log, RECORD).decode("utf-8", "replace")
        except BrokenPipeError:  # this one was overwritten; the next is there
            continue
        except OSError:
            break
        if kill := parse(record):
            found.append(kill)
    return found


def parse(record: str) -> Kill | None:
    """A kill, where the record is the kernel's own word on one: anybody's root may write there."""
    head, _, text = record.partition(";")
    match = _KILL.match(text.partition("\n")[0])
    fields = head.split(",")
    if match is None or len(fields) < 3 or not (fields[0] + fields[2]).isdigit():
        return None
    if int(fields[0]) >> 3:  # the facility: 0 is LOG_KERN
        return None
    name = "".join(c if c.isprintable() else "?" for c in match["name"])
    return Kill(name, int(match["pid"]), match["group"], match["limited"], int(fields[2]) / 1e6)
