# SPDX-License-Identifier: Apache-2.0
"""The kernel's log, read from /dev/kmsg: what it killed, which disks fail, what hangs."""

from __future__ import annotations

import contextlib
import os
import re
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from toolbox.doctor.diagnosis import Diagnosis, Severity, count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MOST_LINES: Final = 200_000
_SHOWN: Final = 8


class Line(NamedTuple):
    """`seconds` since the kernel began; `level` as syslog(3) counts, 0 the worst."""

    seconds: float
    level: int
    text: str


class Sign(NamedTuple):
    """What lines of one kind mean."""

    code: str
    severity: Severity
    pattern: re.Pattern[str]
    title: str
    advice: str


_SIGNS: Final = (
    Sign(
        "kernel.oom", "critical",
        re.compile(r"(?:Out of memory|Memory cgroup out of memory): Kill|oom-kill:.*task="),
        "the kernel killed processes for want of memory",
        "The lines name the process and its cgroup: raise that limit, or find what grows.",
    ),
    Sign(
        "kernel.file-system", "critical",
        re.compile(
            r"EXT4-fs error|EXT4-fs \(.*\): Remounting filesystem read-only|XFS \(.*\): "
            r"(?:Corruption|metadata I/O error|log I/O error|Filesystem has been shut down)"
            r"|BTRFS (?:error|critical)|JBD2: .*error"
        ),
        "a file system is damaged",
        "Save what is needed, and check that disk when it is not mounted.",
    ),
    Sign(
        "kernel.disk", "critical",
        re.compile(r"I/O error, dev|blk_update_request: .*error|Buffer I/O error|Medium Error"
                   r"|nvme.*(?:timeout|controller is down)"
                   r"|ata\d.*(?:failed command|hard resetting)"),
        "a disk reports errors",
        "Look at the disk (`smartctl`), or at the volume that the cloud attached; replace it.",
    ),
    Sign(
        "kernel.hang", "critical",
        re.compile(r"blocked for more than \d+ seconds|soft lockup|hard LOCKUP|rcu_\w+ (?:self-)?"
                   r"detected stall|hung_task"),
        "something hangs in the kernel",
        "The lines name it; processes in state D wait for a disk or a server that does not answer.",
    ),
    Sign(
        "kernel.oops", "critical",
        re.compile(r"\bBUG: |\bOops: |general protection fault|[Kk]ernel panic"),
        "the kernel itself has failed",
        "Keep this log, and boot the node anew when its work is elsewhere.",
    ),
    Sign(
        "kernel.hardware", "critical",
        re.compile(r"Machine check|\[Hardware Error\]|EDAC .*(?:UE|CE) |uncorrect(?:able|ed) error",
                   re.IGNORECASE),
        "the hardware reports errors",
        "Move the work elsewhere and have the machine looked at.",
    ),
    Sign(
        "kernel.segfault", "notice",
        re.compile(r"segfault at |traps: .* general protection|trap invalid opcode"),
        "programs crashed",
        "The lines name them; the same one again and again is worth a look.",
    ),
    Sign(
        "network.conntrack", "critical",
        re.compile(r"nf_conntrack: table full"),
        "connections were dropped: the table that tracks them was full",
        "Raise net.netfilter.nf_conntrack_max, or find who opens so many.",
    ),
    Sign(
        "network.neighbours", "warning",
        re.compile(r"neighbour: \S+: neighbor table overflow"),
        "the table of neighbours overflows",
        "Raise net.ipv4.neigh.default.gc_thresh3.",
    ),
    Sign(
        "network.syn-flood", "warning",
        re.compile(r"Possible SYN flooding on port"),
        "a port gets more connections than its program accepts",
        "The line names the port: its program is overloaded, or its backlog is small.",
    ),
)  # fmt: skip
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
    for sign in _SIGNS:
        found = [line for line in lines if sign.pattern.search(line.text)]
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
