# SPDX-License-Identifier: Apache-2.0
# pathlib would double the time that this takes to start.
# ruff: noqa: PTH123
"""What stands before a command of root's and hands it the signals that are meant for it.

Sudo becomes the command, which is root's then: whoever started it as the account, `timeout` or a
shell, may not signal it. So a process of the account's own waits in its place. What comes from the
terminal has reached the command as well; anything else is sent on, by root. SIGKILL nobody can
send on: then the command stays.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` would bring enum
import os

SUDO = "/usr/bin/sudo"
KILL, PKILL = "/usr/bin/kill", "/usr/bin/pkill"
# sigaction(2), si_code: from the kernel, which for these signals is the terminal.
_SI_KERNEL = 0x80
# These tell of faults of our own.
_FAULTS = {_signal.SIGSEGV, _signal.SIGBUS, _signal.SIGFPE, _signal.SIGILL, _signal.SIGTRAP}
# What ends a command is meant for its process group, as `timeout` and shells send it.
_ENDING = {_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP, _signal.SIGQUIT}
_SSHD = "sshd-session\n"


def run(argv: list[str]) -> int:
    """Run sudo with these arguments; its status, or the end by the signal that ended it."""
    _end_with_connection()
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)  # ignored, no status would come
    heard = _heard()
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, heard)
    child = os.fork()
    if not child:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)
        os.execv(SUDO, [SUDO, "-n", "--", *argv])  # noqa: S606 - it is the point
    while True:
        come = _signal.sigwaitinfo(heard)
        if come.si_signo != _signal.SIGCHLD:
            if come.si_code != _SI_KERNEL:
                _send(child, come.si_signo)
            continue
        pid, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
        if pid and os.WIFSTOPPED(status):
            # So that the shell sees its job stopped.
            os.kill(os.getpid(), _signal.SIGSTOP)
        elif pid and os.WIFSIGNALED(status):
            return _end_by(os.WTERMSIG(status))
        elif pid:
            return os.WEXITSTATUS(status)


def _heard() -> set[int]:
    """All that can be waited for, but for what whoever started us wants ignored (nohup)."""
    return {
        number
        for number in _signal.valid_signals() - _FAULTS - {_signal.SIGKILL, _signal.SIGSTOP}
        if _signal.getsignal(number) != _signal.SIG_IGN
    }


def _send(child: int, number: int) -> None:
    try:
        # Allowed until sudo has made it root's, and for SIGCONT within a session (kill(2)).
        os.kill(child, number)
    except PermissionError:
        _send_as_root(child, number)


def _send_as_root(child: int, number: int) -> None:
    group = os.getpgrp()
    if number in _ENDING and os.getpgid(child) == group:
        command = [PKILL, f"-{number}", "--pgroup", str(group), "--euid", "0"]
    else:
        command = [KILL, f"-{number}", str(child)]
    sender = os.posix_spawn(SUDO, [SUDO, "-n", "--", *command], os.environ, setsigmask=())
    os.waitpid(sender, 0)


def _end_with_connection() -> None:
    """As a lost terminal would, a lost connection hangs up the one command that it ran."""
    try:
        with open(f"/proc/{os.getppid()}/comm", encoding="ascii") as name:
            if name.read() != _SSHD or os.isatty(0):
                return
    except OSError:
        return
    from hostview import kernel

    kernel.prctl(kernel.PR_SET_PDEATHSIG, _signal.SIGHUP)


def _end_by(number: int) -> int:
    """End by the same signal, without a dump of ours."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number not in (_signal.SIGKILL, _signal.SIGSTOP):
        _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    return 128 + number
