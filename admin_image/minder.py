# SPDX-License-Identifier: Apache-2.0
"""Between whoever called and the command: signals go down, the status comes up, nothing stays.

A pid namespace is entered by fork, so that two of ours stand above the command: the joiner, which
stays outside, and in the target's namespace a minder. What the command leaves behind comes to the
minder, which ends it; else the target's own first process would inherit it.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` would bring enum
import os
import time
from typing import TYPE_CHECKING

from hostview import kernel

if TYPE_CHECKING:
    from collections.abc import Callable

# What a process raises in itself, and what the terminal sends to whoever reads it unasked.
_NEVER_PASSED = frozenset(
    {_signal.SIGCHLD, _signal.SIGTTIN, _signal.SIGTTOU, _signal.SIGSEGV, _signal.SIGBUS}
    | {_signal.SIGFPE, _signal.SIGILL, _signal.SIGABRT, _signal.SIGTRAP, _signal.SIGSYS}
)
_ALL = frozenset(range(1, _signal.SIGRTMAX + 1)) - {32, 33}  # those two are the libc's own
# What the minder gets when the joiner is killed.
ABANDONED = _signal.SIGRTMAX - 1
GRACE = 0.5
# Seconds after SIGKILL: what is there then lies in the kernel.
LIMIT = 3.5
INTERVAL = 0.01


def hold_signals() -> None:
    """From here on signals wait until they are asked for."""
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)  # ignored, it would take the status away
    _signal.pthread_sigmask(_signal.SIG_BLOCK, _ALL)


def fork(work: Callable[[], int]) -> int:
    """Do `work` in a child, which ends with its status; returns the child."""
    pid = os.fork()
    if pid == 0:
        status = 125
        try:
            status = work()
        finally:
            os._exit(status)
    return pid


def wait(child: int) -> int:
    """Pass signals on to `child` until it ends; its status, or below zero the signal's number."""
    while True:
        number = _signal.sigwait(_ALL)
        if number == ABANDONED:
            return -int(_signal.SIGKILL)
        if number == _signal.SIGCHLD:
            if (status := _reaped(child)) is not None:
                return status
        elif number not in _NEVER_PASSED:
            os.kill(child, number)


def _reaped(child: int) -> int | None:
    """Collect whatever ended; how `child` did, if it did."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        except ChildProcessError:
            return found
        if not pid:
            return found
        if os.WIFSTOPPED(status):
            if pid == child:
                # ctrl-Z: there is no shell above that could bring it back.
                os.killpg(pid, _signal.SIGCONT)
        elif pid == child:
            found = os.waitstatus_to_exitcode(status)


def mind(command: Callable[[], int], proc: int) -> int:
    """Run `command`, which execs, and end what it leaves; `proc` is the host's /proc."""
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    # Not SIGKILL: there may be something to end first.
    kernel.prctl(kernel.PR_SET_PDEATHSIG, ABANDONED)
    child = fork(lambda: _start(command))
    status = wait(child)
    end_descendants(proc)
    return status if status >= 0 else 128 - status


def _start(command: Callable[[], int]) -> int:
    kernel.prctl(kernel.PR_SET_PDEATHSIG, _signal.SIGKILL)
    os.setpgid(0, 0)
    _take_terminal()
    # Python ignores two of them, and a program would inherit that: `yes | head` would not end. The
    # third would end us with a status of Python's in the moment before the program is there.
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ, _signal.SIGINT):
        _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    return command()


def _take_terminal() -> None:
    """Let ctrl-C reach the command and what it starts, and them alone."""
    for descriptor in (0, 1, 2):
        try:
            os.tcsetpgrp(descriptor, os.getpgrp())
        except OSError:
            continue
        return


def end_descendants(proc: int) -> None:
    """End every descendant of this process, politely first, and collect what has ended.

    What is not collected would stay in the target for ever: few first processes of a container
    wait for children that are not theirs.
    """
    asked = told = 0.0
    while _has_children():
        now = time.monotonic()
        if told and now > told + LIMIT:
            return  # it must not keep us
        left = _descendants(proc)
        if not asked:
            _send(proc, left, (_signal.SIGTERM, _signal.SIGHUP, _signal.SIGCONT))
            asked = now
        elif now > asked + GRACE:
            _send(proc, left, (_signal.SIGKILL,))
            told = told or now
        time.sleep(INTERVAL)


def _has_children() -> bool:
    """Whether any is left, when those that ended were collected."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _descendants(proc: int) -> list[int]:
    """Pids as the host counts them, as everything in `proc`."""
    parents = {}
    for name in os.listdir(proc):
        if name.isdigit() and (fields := _stat(proc, name)) and fields[0] not in b"ZX":
            parents[int(name)] = int(fields[1])
    found, generation = list[int](), {int(os.readlink("self", dir_fd=proc))}
    while generation:
        generation = {pid for pid, parent in parents.items() if parent in generation}
        found += generation
    return found


def _stat(proc: int, name: str) -> list[bytes]:
    try:
        descriptor = os.open(f"{name}/stat", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
        with os.fdopen(descriptor, "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return []


def _send(proc: int, pids: list[int], numbers: tuple[int, ...]) -> None:
    for pid in pids:
        try:
            handle = os.open(str(pid), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=proc)
        except OSError:
            continue
        for number in numbers:
            # pidfd_send_signal(2) takes such a directory too: our numbers are not the host's.
            try:
                _signal.pidfd_send_signal(handle, number)
            except OSError:
                break
        os.close(handle)
