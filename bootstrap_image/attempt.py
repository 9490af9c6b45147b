# SPDX-License-Identifier: Apache-2.0
"""One attempt of one step: start it, follow its output, hold it to its time limit, clear up."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Final

from bootstrap_image import child, children
from bootstrap_image.spec import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from bootstrap_image.log import Capture
    from bootstrap_image.signals import Signals

_CHUNK: Final = 65536
# What a finished script's orphans still print is not waited for; what is there is read.
_DRAIN_LIMIT: Final = 64


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended; `errno` when its program could not even start."""

    status: Status
    exit_status: int | None = None
    message: str = ""
    errno: int = 0


def attempt(
    act: Callable[[int], int], *, timeout: float, capture: Capture, signals: Signals
) -> Outcome:
    """Run `act`, which gets the descriptor to report through, in a process of its own."""
    output, printed = os.pipe2(os.O_CLOEXEC)
    report, told = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(output, False)
    os.set_blocking(report, False)
    try:
        pid = child.spawn(lambda: act(told), printed, told)
        os.close(printed)
        os.close(told)
        keeper = os.pidfd_open(pid)
        try:
            why = _follow(keeper, output, timeout, capture, signals)
        finally:
            os.close(keeper)
        ended = _clear_up(why, pid, capture)
        _drain(output, capture)
        capture.close()
        return _outcome(why, ended, _words(report), timeout)
    finally:
        os.close(output)
        os.close(report)


@dataclasses.dataclass(frozen=True, slots=True)
class _Ended:
    found: int
    left: int


def _follow(
    keeper: int, output: int, timeout: float, capture: Capture, signals: Signals
) -> Status | None:
    """Until it ended by itself (None), or why it has to be ended."""
    poll = select.poll()
    for descriptor in (keeper, output, signals.descriptor):
        poll.register(descriptor, select.POLLIN)
    end = time.monotonic() + timeout
    while True:
        left = end - time.monotonic()
        if left <= 0:
            return Status.TIMED_OUT
        events = dict(poll.poll(left * 1000))
        if signals.ending():
            return Status.INTERRUPTED
        if output in events and not _read(output, capture):
            poll.unregister(output)  # it closed its output; that is no end yet
        if keeper in events:
            return None


def _clear_up(why: Status | None, pid: int, capture: Capture) -> _Ended:
    if why:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGTERM)
    found, left = children.end_all()
    if found and why is None:
        capture.note(f"{found} processes that it left running were ended")
    if left:
        capture.note(f"{left} processes could not be ended: they lie in the kernel")
    return _Ended(found, left)


def _outcome(why: Status | None, ended: _Ended, words: dict[str, int], timeout: float) -> Outcome:
    stuck = f"; {ended.left} of its processes could not be ended" if ended.left else ""
    if why is Status.TIMED_OUT:
        return Outcome(why, None, f"it did not end within {timeout:g} s{stuck}")
    if why is Status.INTERRUPTED:
        return Outcome(why, None, f"the container was told to stop{stuck}")
    if "errno" in words:
        return Outcome(Status.FAILED, words.get("status"), "", words["errno"])
    if "status" not in words:
        return Outcome(Status.FAILED, 128 + signal.SIGKILL, "its parent process was killed")
    status = words["status"]
    if status < 0:
        name = (
            signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        )
        return Outcome(Status.FAILED, 128 - status, f"it was ended by {name}")
    if status:
        return Outcome(Status.FAILED, status, f"it ended with {status}")
    return Outcome(Status.SUCCEEDED, 0)


def _read(output: int, capture: Capture) -> bool:
    """Whether there may be more later."""
    try:
        data = os.read(output, _CHUNK)
    except BlockingIOError:
        return True
    capture.feed(data)
    return bool(data)


def _drain(output: int, capture: Capture) -> None:
    for _ in range(_DRAIN_LIMIT):
        try:
            data = os.read(output, _CHUNK)
        except BlockingIOError:
            return
        if not data:
            return
        capture.feed(data)


def _words(report: int) -> dict[str, int]:
    """What the keeper said, the last word on a matter last."""
    try:
        lines = os.read(report, 4096).splitlines()
    except BlockingIOError:
        return {}
    words = dict[str, int]()
    for line in lines:
        with contextlib.suppress(ValueError):
            words |= json.loads(line)
    return words
