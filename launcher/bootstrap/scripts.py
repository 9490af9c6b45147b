# SPDX-License-Identifier: Apache-2.0
"""A batch of user data in one start of the bootstrap image, watched to its end."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bootstrap_image import spec
from launcher import contract, files, interrupt, logfile
from launcher.bootstrap import context, records, results
from launcher.deadline import CLEAN_UP, Deadline
from launcher.errors import ContainerError, HatchwayError
from launcher.proc import Process
from launcher.profiles import bootstrap as profile

if TYPE_CHECKING:
    from bootstrap_image.spec import Summary
    from launcher.bootstrap.batches import Batch
    from launcher.bootstrap.context import Context
    from launcher.logfile import Growth
    from launcher.plan import Plan
    from launcher.runtimes.base import Image

POLL: Final = 0.05  # seconds
# Seconds between SIGTERM and SIGKILL, when the time of all is over: the runner takes seven for what
# does not end by itself, and then writes how far it came.
GRACE: Final = 15.0


def run(ctx: Context, batch: Batch, image: Image) -> Summary:
    """Start the container, show its log as it grows, and give the summary that it leaves."""
    contract.require(image, label=spec.CONTRACT_LABEL, contract=spec.CONTRACT, asked=batch.image)
    planned = _plan(ctx, image)
    for note in planned.notes:
        ctx.monitor.note(note)
    nonce = secrets.token_hex(8)
    write(batch, ctx.request.instance_id, nonce)
    ctx.monitor.step(f"running {', '.join(job.name for job in batch.jobs)}")
    growth = logfile.Growth(Path(spec.LOG_FILE))
    failure: ContainerError | None = None
    try:
        container = ctx.runtime().start(planned)
        _await_end(ctx, Process.of(container.pid), growth)
    except ContainerError as error:
        if error.code == "container.stuck":
            with contextlib.suppress(HatchwayError):  # told to end, it says how far it came
                late = ctx.runtime().within(Deadline.after(GRACE + CLEAN_UP))
                late.remove(profile.NAME, grace=GRACE)
        elif error.code != "container.died":  # or it was done before the engine could look
            raise
        failure = error
    finally:
        _show(ctx, growth)
    summary = results.read()
    if summary is None or summary.nonce != nonce:
        message = "the bootstrap container ended without a result"
        hint = "Look at `hatchway bootstrap logs`."
        raise failure or ContainerError("container.died", message, hint)
    if failure and failure.code == "container.stuck" and summary.exit_status is not spec.Exit.DONE:
        return dataclasses.replace(summary, message=f"{failure.message} [{failure.code}]")
    return summary


def write(batch: Batch, instance_id: str, nonce: str) -> None:
    """The jobs and their user data, for root's eyes only: user data carries secrets."""
    clear()
    own_places()
    for name, data in batch.data.items():
        files.write(Path(spec.RUN, name), data)
    jobs = spec.Jobs(instance_id, batch.jobs, context.proxies(), nonce)
    files.write(Path(spec.JOBS_FILE), jobs.to_json().encode())


def own_places() -> None:
    """The directories for a run; `HostError` when one of them is not ours alone."""
    records.directory()
    for place in (Path(spec.RUN).parent, Path(spec.LOG)):
        files.own_directory(place)
    files.own_directory(Path(spec.RUN), mode=0o700)


def clear() -> None:
    """Remove what was written for the container; a link in its place is left to `write`."""
    shutil.rmtree(spec.RUN, ignore_errors=True)


def _plan(ctx: Context, image: Image) -> Plan:
    request = ctx.request
    return profile.plan(
        image, ctx.host, memory=request.memory, cpus=request.cpus, pids=request.pids,
        more=request.capabilities,
    )  # fmt: skip


def _await_end(ctx: Context, process: Process | None, growth: Growth) -> None:
    while process is not None and process.alive():
        interrupt.check()
        if time.monotonic() > ctx.until:
            message = f"user data did not end within {ctx.request.timeout:.0f} s"
            hint = "Raise [bootstrap] timeout, or give its steps a shorter one (step-timeout)."
            raise ContainerError("container.stuck", message, hint)
        _show(ctx, growth)
        time.sleep(POLL)


def _show(ctx: Context, growth: Growth) -> None:
    for line in growth.lines():
        ctx.show(line)
