# SPDX-License-Identifier: Apache-2.0
"""Programs that get our terminal and end with us: fork(2) and execve(2), and nothing between."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import TYPE_CHECKING, Final

from launcher import process
from launcher.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PR_SET_PDEATHSIG: Final = 1  # include/uapi/linux/prctl.h
FAILED_EXEC: Final = 125

# stdin, stdout and stderr for the program by their descriptors; None hands on our own.
Streams = tuple[int, int, int] | None


def die_with(parent: int, prctl: Callable[..., int] | None = None) -> None:
    """In a child: whoever kills the parent takes us along."""
    (prctl or ctypes.CDLL(None).prctl)(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(FAILED_EXEC)


def spawn(
    argv: tuple[str, ...], streams: Streams, *, silent: bool, directory: Path | None = None
) -> int:
    """Start the program with our environment and no signal blocked; its pid. `silent` drops what it
    says to stderr; it begins in `directory`, or where we are.
    """
    environment = process.environment()
    launcher = os.getpid()
    prctl: Callable[..., int] = ctypes.CDLL(None).prctl
    try:
        pid = os.fork()
    except OSError as error:
        message = f"cannot start {argv[0]}: {error.strerror}"
        raise HostError("host.program", message) from None
    if pid:
        return pid
    try:
        die_with(launcher, prctl)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for target, source in enumerate(streams or ()):
            os.dup2(source, target)
        if silent:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        if directory:
            os.chdir(directory)
        os.execve(argv[0], argv, environment)  # noqa: S606 - no shell is the point
    finally:
        os._exit(FAILED_EXEC)
