# SPDX-License-Identifier: Apache-2.0
"""Programs whose output is handed on as it comes, and that end with all that they started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Literal, NamedTuple

from launcher import interrupt
from launcher.errors import HostError
from launcher.process import KILL_GRACE, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Poured(NamedTuple):
    """How a program ended whose output was handed on: `ended` is empty where it did by itself."""

    status: int
    ended: Literal["", "timeout", "endless"]


def pour(
    argv: tuple[str, ...],
    *,
    into: Callable[[bytes], object],
    timeout: float,
    most: int,
    env: Mapping[str, str] | None = None,
) -> Poured:
    """Run `argv`, and hand on what it prints, errors too, as it comes.

    It is ended, with all that it started, after `timeout` seconds or `most` bytes. Raises
    `HostError` when the program is missing.
    """
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(env),
            cwd="/",  # where we are may be gone
            start_new_session=True,  # a group of its own, that can be ended as one
        )
    except OSError as error:
        message = f"cannot run {argv[0]}: {error.strerror}"
        raise HostError("host.program", message) from None
    try:
        ended = _drain(child, into, time.monotonic() + timeout, most)
    finally:
        _end_group(child)
    interrupt.check()
    code = -signal.SIGKILL if child.returncode is None else child.returncode
    return Poured(code if code >= 0 else 128 - code, ended)


def _drain(
    child: subprocess.Popen[bytes], into: Callable[[bytes], object], end: float, most: int
) -> Literal["", "timeout", "endless"]:
    """Hand on output until it ends, or a limit is met; a descendant may keep it open for ever."""
    import select

    assert child.stdout is not None  # noqa: S101 - opened as a pipe
    fd = child.stdout.fileno()
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    taken, idle_since_exit = 0, False
    while time.monotonic() < end:
        interrupt.check()
        if not poll.poll(100):
            if idle_since_exit:
                return ""
            idle_since_exit = _has_exited(child)
            continue
        chunk = os.read(fd, 1 << 16)
        if not chunk:
            return _await_exit(child, end)
        into(chunk)
        taken += len(chunk)
        if taken >= most:
            return "endless"
    return "timeout"


def _await_exit(child: subprocess.Popen[bytes], end: float) -> Literal["", "timeout"]:
    """Its output is closed: it should have ended, but may live on silently."""
    while not _has_exited(child):
        if time.monotonic() >= end:
            return "timeout"
        interrupt.check()
        time.sleep(0.005)
    return ""


def _has_exited(child: subprocess.Popen[bytes]) -> bool:
    """Whether it ended; it stays a zombie, so that the number of its group remains its own."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, child.pid, flags) is not None


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """End what is left of it: asked first, then told."""
    if not _has_exited(child):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        until = time.monotonic() + KILL_GRACE
        while not _has_exited(child) and time.monotonic() < until:
            time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    # One that hangs in the kernel hears nothing: whoever reaps orphans gets it one day.
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(KILL_GRACE)
    if child.stdout is not None:
        child.stdout.close()
