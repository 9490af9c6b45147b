# SPDX-License-Identifier: Apache-2.0
"""One attempt's own process: it stands between us and a script, so that `kill $PPID` ends only it.

It tells through a pipe how the script ended; a keeper that says nothing was killed.
"""

from __future__ import annotations

import errno
import json
import os
import signal
from typing import TYPE_CHECKING, NoReturn

from hostview import kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_RESET = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE)


def spawn(act: Callable[[], int], output: int, report: int) -> int:
    """Fork a process that runs `act`, with `output` as its stdout and stderr; its pid."""
    us = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        _settle(us, output)
        status = act()
        _tell(report, {"status": status})
    except BaseException as error:  # noqa: BLE001 - nothing may unwind into our parent's code
        os.write(2, f"{type(error).__name__}: {error}\n".encode(errors="replace"))
    finally:
        os._exit(status & 0xFF)


def run_program(argv: Sequence[str], environment: Mapping[str, str], report: int) -> int:
    """Run a program to its end as a child; 127 and a word when it cannot even start."""
    keeper = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(argv, environment, report, keeper)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _become(
    argv: Sequence[str], environment: Mapping[str, str], report: int, keeper: int
) -> NoReturn:
    try:
        _die_with(keeper)
        os.execve(argv[0], list(argv), dict(environment))  # noqa: S606 - a user's script, by its path
    except OSError as error:
        _tell(report, {"errno": error.errno or errno.EIO})
        os._exit(127 if error.errno in (errno.ENOENT, errno.ENOTDIR) else 126)
    finally:
        os._exit(126)


def _settle(us: int, output: int) -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in _RESET:
        signal.signal(number, signal.SIG_DFL)
    _die_with(us)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir("/")
    os.umask(0o022)


def _die_with(parent: int) -> None:
    """A runner that was killed leaves no script behind that nobody watches."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _tell(report: int, word: dict[str, int]) -> None:
    os.write(report, json.dumps(word).encode() + b"\n")
