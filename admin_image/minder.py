# SPDX-License-Identifier: Apache-2.0
"""The one process of ours that stands above the command in the target's pid namespace.

What the command leaves behind comes to it, and is collected when it ends; else the target's own
first process would inherit it. It ends none of that itself: it holds no descriptor, no root and no
/proc by which one could. When something is left it stops for a moment, which its parent outside
takes as the word to end it.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` would bring enum
import os
import time
from typing import TYPE_CHECKING

from admin_image import descendants, fork
from hostview import kernel

if TYPE_CHECKING:
    from collections.abc import Callable

# What a process raises in itself, and what the terminal sends to whoever reads it unasked.
_NEVER_PASSED = frozenset(
    {_signal.SIGCHLD, _signal.SIGTTIN, _signal.SIGTTOU, _signal.SIGSEGV, _signal.SIGBUS}
    | {_signal.SIGFPE, _signal.SIGILL, _signal.SIGABRT, _signal.SIGTRAP, _signal.SIGSYS}
)
_ALL = frozenset(range(1, _signal.SIGRTMAX + 1)) - {32, 33}  # those two are the libc's own
# What it gets when the joiner is killed.
ABANDONED = _signal.SIGRTMAX - 1
# Somewhat more than `descendants` takes.
_PATIENCE = descendants.GRACE + descendants.LIMIT + 0.5


def hold_signals() -> None:
    """From here on signals wait until they are asked for."""
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)  # ignored, it would take the status away
    _signal.pthread_sigmask(_signal.SIG_BLOCK, _ALL)


def next_signal() -> int:
    """Wait for one of those that are held."""
    return int(_signal.sigwait(_ALL))


def wait(child: int, stopped: Callable[[], None]) -> int:
    """Pass signals on to `child` until it ends; its status, or below zero the signal's number.

    `stopped` is called when it stops. `ABANDONED` is taken for its end.
    """
    # Before any signal: the one that told of its end may have told of another's too.
    while (status := _reaped(child, stopped)) is None:
        number = next_signal()
        if number == ABANDONED:
            return -int(ABANDONED)
        if number not in _NEVER_PASSED:
            os.kill(child, number)
    return status


def _reaped(child: int, stopped: Callable[[], None]) -> int | None:
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
                stopped()
        elif pid == child:
            found = os.waitstatus_to_exitcode(status)


def mind(command: Callable[[], int]) -> int:
    """Run `command`, which execs; its status, when all that it has left has ended."""
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    # Not SIGKILL: there may be something to end first.
    kernel.prctl(kernel.PR_SET_PDEATHSIG, ABANDONED)
    child = fork.fork(lambda: _start(command))

    def bring_back() -> None:
        # ctrl-Z: there is no shell above that could.
        os.killpg(child, _signal.SIGCONT)

    status = wait(child, bring_back)
    if status == -ABANDONED:
        _end_by_ourselves()
        _has_children()
    else:
        _collect()
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


def _collect() -> None:
    """Collect all that ended, until nothing is left, or it does not end.

    What is not collected would stay in the target for ever: few first processes of a container
    wait for children that are not theirs.
    """
    end = time.monotonic() + _PATIENCE
    told = False
    while _has_children() and time.monotonic() < end:
        if not told:
            os.kill(os.getpid(), _signal.SIGSTOP)
            told = True
        elif _signal.sigtimedwait({ABANDONED}, descendants.INTERVAL):
            _end_by_ourselves()


def _end_by_ourselves() -> None:
    """There is nobody outside any more; what is here is seen through whatever /proc there is."""
    try:
        proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    descendants.end_descendants(proc, os.getpid())
    os.close(proc)


def _has_children() -> bool:
    """Whether any is left, when those that ended were collected."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True
