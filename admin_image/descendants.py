# SPDX-License-Identifier: Apache-2.0
"""What a command leaves behind is found among all processes of the host, and ended.

From outside the target's pid namespace, where no process of the target sees or reaches whoever
does it. Numbers are the host's; a process is known by its number and its start.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` would bring enum
import os
import time

GRACE = 0.5
# Seconds after SIGKILL: what is there then lies in the kernel.
LIMIT = 3.5
INTERVAL = 0.01
# Of proc_pid_stat(5), counted behind the command's name: state, parent, and field 22.
_STATE, _PARENT, _START = 0, 1, 19


def end_descendants(proc: int, ancestor: int) -> None:
    """End all that come from a process, politely first; `proc` is a descriptor of /proc.

    Whoever they belong to then is left to collect them.
    """
    asked = told = 0.0
    while left := descendants(proc, ancestor):
        now = time.monotonic()
        if told and now > told + LIMIT:
            return  # it must not keep us
        if not asked:
            _send(proc, left, (_signal.SIGTERM, _signal.SIGHUP, _signal.SIGCONT))
            asked = now
        elif now > asked + GRACE:
            _send(proc, left, (_signal.SIGKILL,))
            told = told or now
        time.sleep(INTERVAL)


def descendants(proc: int, ancestor: int) -> dict[int, bytes]:
    """Those that live, by pid, with their starts."""
    facts = {
        int(name): fields
        for name in os.listdir(proc)
        if name.isdigit() and (fields := _stat(name, proc)) and fields[_STATE] not in b"ZX"
    }
    found, generation = dict[int, bytes](), {ancestor}
    while generation:
        generation = {
            pid
            for pid, fields in facts.items()
            if int(fields[_PARENT]) in generation and pid not in found
        }
        found |= {pid: facts[pid][_START] for pid in generation}
    return found


def children(proc: int, parent: int) -> list[int]:
    """Also those that have ended and were not collected yet."""
    return [
        int(name)
        for name in os.listdir(proc)
        if name.isdigit() and (fields := _stat(name, proc)) and int(fields[_PARENT]) == parent
    ]


def _stat(name: str, directory: int) -> list[bytes]:
    try:
        descriptor = os.open(f"{name}/stat", os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
        with os.fdopen(descriptor, "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return []


def _send(proc: int, pids: dict[int, bytes], numbers: tuple[int, ...]) -> None:
    for pid, start in pids.items():
        try:
            handle = os.open(str(pid), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=proc)
        except OSError:
            continue
        fields = _stat(".", handle)
        for number in numbers if fields and fields[_START] == start else ():
            # pidfd_send_signal(2) takes such a directory too: our numbers are not the host's.
            try:
                _signal.pidfd_send_signal(handle, number)
            except OSError:
                break
        os.close(handle)
