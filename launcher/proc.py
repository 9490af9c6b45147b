# SPDX-License-Identifier: Apache-2.0
"""Processes of the host, from proc(5)."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PF_KTHREAD: Final = 0x00200000  # include/linux/sched.h


@dataclasses.dataclass(frozen=True, slots=True)
class Process:
    """A process that cannot be mistaken for a later one with the same pid.

    `started` is in clock ticks since boot, as field 22 of /proc/PID/stat has it.
    """

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process of that pid, if there is one that is no zombie."""
        fields = _stat(pid)
        return None if not fields or fields[0] in "ZX" else cls(pid, int(fields[19]))

    def alive(self) -> bool:
        return self.pid > 0 and Process.of(self.pid) == self

    def since(self) -> float:
        """When it began, in seconds since the epoch."""
        ticks = os.sysconf("SC_CLK_TCK")
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + self.started / ticks


def descends_from(ancestor: int) -> bool:
    """Whether that process is among those that started us."""
    pid = os.getpid()
    while pid and pid != ancestor:
        fields = _stat(pid)
        pid = int(fields[1]) if fields else 0
    return pid == ancestor


def descendants(ancestor: int) -> set[int]:
    """All that the process started and those started, as far as their parents live."""
    parents: dict[int, int] = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - thousands
        if fields := _stat(int(pid)):
            parents[int(pid)] = int(fields[1])
    found: set[int] = set()
    generation = {ancestor}
    while generation := {pid for pid, parent in parents.items() if parent in generation} - found:
        found |= generation
    return found


def is_kernel_thread(pid: int) -> bool:
    fields = _stat(pid)
    return bool(fields) and bool(int(fields[6]) & PF_KTHREAD)


def is_stopped(pid: int) -> bool:
    """Whether a signal or a debugger stopped it."""
    fields = _stat(pid)
    return bool(fields) and fields[0] in "Tt"


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on, or none."""
    try:
        # The name in parentheses may itself hold blanks and parentheses, and be no text.
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].decode().split()
    except OSError:
        return []


def children() -> set[int]:
    """Our own children, of every thread (CONFIG_PROC_CHILDREN)."""
    found: set[int] = set()
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            found.update(int(pid) for pid in (thread / "children").read_text().split())
    return found


def called(name: str) -> Iterator[int]:
    """Every process of that name (15 bytes of it, as the kernel keeps it)."""
    wanted = name.encode()[:15] + b"\n"
    for pid in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - and here
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/comm", "rb", buffering=0) as comm:  # noqa: PTH123 - thousands
                found = comm.read(16)
            if found == wanted:
                yield int(pid)


def arguments(pid: int) -> list[str]:
    """The command line, or nothing of a process that has ended."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return line.decode("utf-8", "surrogateescape").rstrip("\0").split("\0")


def is_like_us(pid: int) -> bool:
    """Whether our user started it where we are: no container, and no program that is setuid."""
    try:
        if not Path(f"/proc/{pid}/ns/mnt").samefile("/proc/self/ns/mnt"):
            return False
        status = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return False
    users = re.search(rb"^Uid:(.*)$", status, re.MULTILINE)
    return users is not None and set(map(int, users[1].split())) == {os.getuid()}


def end_marked(mark: bytes, number: int) -> int:
    """Signal every process with `mark` (`NAME=VALUE`) in its environment; how many there were."""
    count = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), number)
                count += 1
    return count


def title(pid: int) -> str:
    """The command line as ps shows it, or the bare name of a kernel thread.

    Whoever runs a program chooses both: they come on one line, without a terminal's commands.
    """
    with contextlib.suppress(OSError):
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").strip()
        line = line or Path(f"/proc/{pid}/comm").read_bytes().strip()
        return "".join(map(_shown, line.decode("utf-8", "replace")))
    return ""


def _shown(character: str) -> str:
    if character.isspace():
        return " "
    return character if character.isprintable() else "?"
