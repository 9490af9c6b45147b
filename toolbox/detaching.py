# SPDX-License-Identifier: Apache-2.0
"""Work in the background: the same command line again, where the caller's end does not reach it.

A cloud assistant ends all that it started when its short time is over, by control group or by
process group. A transient unit of systemd has a group of its own; without systemd a process that
has left session and parent must do.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from launcher import files, process
from launcher.errors import ContainerError, Exit, HostError
from launcher.proc import Process
from toolbox import claims, spawning, work, worklog
from toolbox.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toolbox.request import Request

UNIT: Final = "hatchway-toolbox-{}"
LAUNCH_LIMIT: Final = 20.0  # seconds for systemd to take a unit
STOP_LIMIT: Final = 60.0  # seconds; SIGKILL comes ten after SIGTERM, and then the clean-up
POLL: Final = 0.1
CHUNK: Final = 1 << 16
SYSTEMD: Final = Path("/run/systemd/system")  # sd_booted(3)


def detach(request: Request, argv: Sequence[str]) -> Work:
    """Let `argv` (`toolbox run ...`) run in the background, and give its record at once."""
    made = Work(
        id=claims.new_id(),
        state="starting",
        command=request.command,
        image=request.image,
        profile=request.profile,
        asked=time.time(),
    )
    work.make(made)
    # In memory and for root alone: the environment may hold what `--env NAME` is to hand on.
    words = [*argv[:2], "--as", made.id, *argv[2:]]
    order = {"argv": words, "environment": dict(os.environ)}
    files.write(_order(made.id), json.dumps(order).encode())
    program = (*process.own_program(), "toolbox", "work", made.id)
    if not _by_systemd(made.id, program):
        _by_fork(program)
    return made


def _order(own: str) -> Path:
    return claims.directory() / f"order-{own}.json"


def _by_systemd(own: str, program: tuple[str, ...]) -> bool:
    """Whether systemd runs it; a systemd that refuses is no reason to refuse as well."""
    tool = process.find_program("systemd-run")
    if tool is None or not SYSTEMD.is_dir():
        return False
    options = (
        "--quiet", "--collect", "--no-ask-password", f"--unit={UNIT.format(own)}",
        "--description=hatchway toolbox", "--property=KillMode=mixed",
        "--property=StandardOutput=null", "--property=StandardError=journal",
    )  # fmt: skip
    try:
        done = process.run((tool, *options, "--", *program), timeout=LAUNCH_LIMIT, check=False)
    except HostError:
        return False
    return done.status == 0


def _by_fork(program: tuple[str, ...]) -> None:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nowhere, descriptor)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.execv(program[0], program)  # noqa: S606 - no shell is the point
    finally:
        os._exit(Exit.OURS)


def carry_out(own: str, call: Callable[[list[str]], int]) -> int:
    """Do what was ordered under this id, keep what it prints, and record how it ends.

    `call` runs a command line of ours and gives its status.
    """
    started = work.found(own)
    place = _order(started.id)
    order: dict[str, Any] = json.loads(place.read_bytes())
    place.unlink()
    myself = Process.of(os.getpid())
    assert myself is not None  # noqa: S101 - we are alive
    started = dataclasses.replace(
        started, state="running", began=time.time(), worker=(myself.pid, myself.started)
    )
    os.environ.clear()
    os.environ.update(order["environment"])
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    out, err = os.pipe(), os.pipe()
    worker = os.getpid()
    child = os.fork()
    if child == 0:
        spawning.die_with(worker)
        _become(order["argv"], out[1], err[1], call)
    os.close(out[1])
    os.close(err[1])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda n, _frame: _send(child, n))
    work.write(started)
    _collect({out[0]: 1, err[0]: 2}, worklog.Writer(started.log))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = status if status >= 0 else 128 - status
    work.write(dataclasses.replace(started, state="ended", ended=time.time(), status=status))
    return status


def _become(argv: list[str], out: int, err: int, call: Callable[[list[str]], int]) -> None:
    status = int(Exit.OURS)
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        status = call(argv)
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _send(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)


def _collect(streams: dict[int, int], log: worklog.Writer) -> None:
    """Keep what comes until all writers have gone."""
    poll = select.poll()
    for descriptor in streams:
        poll.register(descriptor, select.POLLIN)
    while streams:
        for descriptor, _ in poll.poll():
            data = os.read(descriptor, CHUNK)
            if data:
                log.write(streams[descriptor], data)
            else:
                poll.unregister(descriptor)
                os.close(descriptor)
                del streams[descriptor]
    log.close()


def wait(text: str, *, timeout: float = 0.0) -> int | None:
    """The status with which the work ended, or None when `timeout` seconds are over before."""
    until = time.monotonic() + timeout if timeout else float("inf")
    while True:
        now = work.found(text)
        if now.state == "ended" and now.status is not None:
            return now.status
        if now.state == "lost":
            raise _lost(now)
        if time.monotonic() > until:
            return None
        time.sleep(POLL)


def stop(text: str, *, timeout: float = STOP_LIMIT) -> Work:
    """End the work: SIGTERM, and SIGKILL when the grace is over; what has ended is no error."""
    until = time.monotonic() + timeout
    now = work.found(text)
    while now.state == "starting" and time.monotonic() < until:
        time.sleep(POLL)  # there is nobody to tell yet
        now = work.found(now.id)
    if now.state == "running":
        _send(now.worker[0], signal.SIGTERM)
        wait_gently(now.id, max(until - time.monotonic(), 0.01))
        now = work.found(now.id)
    if now.state in ("starting", "running"):
        message = f"{now.id} has not ended within {timeout:.0f} s"
        raise ContainerError("toolbox.stuck", message, "A process of it may hang in the kernel.")
    return now


def wait_gently(own: str, seconds: float) -> int | None:
    """As `wait`, for whom a lost one has ended as well."""
    try:
        return wait(own, timeout=seconds)
    except ContainerError:
        return int(Exit.OURS)


def _lost(now: Work) -> ContainerError:
    message = f"{now.id} ended without leaving its status"
    hint = f"It was killed, or the host lost power: hatchway toolbox logs {now.id}"
    return ContainerError("toolbox.lost", message, hint)
