# SPDX-License-Identifier: Apache-2.0
"""`bootstrap run`: each batch that is due, one after another, and its results left on record."""

from __future__ import annotations

import contextlib
import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bootstrap_image import spec
from launcher import files, interrupt, locks, logfile
from launcher.bootstrap import due, own, records, results, scripts
from launcher.bootstrap.context import Context
from launcher.deadline import CLEAN_UP, Deadline
from launcher.errors import HatchwayError
from launcher.profiles import bootstrap as profile

if TYPE_CHECKING:
    from collections.abc import Callable

    from bootstrap_image.spec import Summary
    from launcher.bootstrap.batches import Batch
    from launcher.bootstrap.context import Ensure, Find, Request
    from launcher.bootstrap.due import Mark
    from launcher.host import Host
    from launcher.monitor import Monitor
    from launcher.runtimes.base import Runtime


def run(
    request: Request,
    host: Host,
    *,
    runtime: Callable[[], Runtime],
    ensure: Ensure,
    find: Find,
    monitor: Monitor,
    show: Callable[[str], None],
) -> tuple[Summary, ...]:
    """Run what is due and give the summaries; a batch that could not run has one as well.

    `runtime` is called when something is due, and not at all when nothing is. `show` gets each
    line that the containers print. Raises only when nothing could be tried.
    """
    until = time.monotonic() + request.timeout
    files.own_directory(results.LOCK.parent)
    lock = locks.hold(
        results.LOCK, timeout=request.timeout, monitor=monitor, what="running user data"
    )
    with interrupt.noted(), lock:
        ctx = Context(
            request=request, host=host, runtime=functools.cache(runtime), ensure=ensure,
            find=find, monitor=monitor, show=show, until=until,
        )  # fmt: skip
        foreign = results.another_machine(request.instance_id, request.source)
        if foreign:
            _say(ctx, f"warning: {foreign['message']}")
        results.forget_keys_of_others(request.instance_id)
        summaries: list[Summary] = []
        for batch in request.batches:
            summary = _done_before(ctx, batch) or _run(ctx, batch)
            if foreign and not summaries:
                summary = results.with_finding(summary, foreign)
            summaries.append(summary)
            # Each container writes its own: what is kept must tell of all of them.
            results.keep(results.merged(summaries))
            if summaries[-1].exit_status is spec.Exit.FAILED:
                break  # what an essential job was to prepare, the next may build upon
        return tuple(summaries)


def _done_before(ctx: Context, batch: Batch) -> Summary | None:
    """The summary of a batch of which nothing is due, or None when a container is to start."""
    if batch.problem:
        return None
    started, instance = time.time(), ctx.request.instance_id
    marks = {job.name: records.mark(instance, job.name) for job in batch.jobs}
    known = records.of(name for mark in marks.values() if mark for name in mark.records)
    if any(due.is_due(_key(batch, job), marks[job.name], known) for job in batch.jobs):
        return None
    if any(mark and mark.digest and _is_another(ctx, batch, mark) for mark in marks.values()):
        return None
    names = ", ".join(job.name for job in batch.jobs)
    _say(ctx, f"{names}: done before, so no container is started")
    steps = due.done_before((mark for mark in marks.values() if mark), known)
    return results.finished(instance, steps, started=started)


def _say(ctx: Context, text: str) -> None:
    """Say it among the lines that the steps print, and in their log."""
    said = f"hatchway: {text}"
    logfile.append(Path(spec.LOG_FILE), said)
    ctx.show(said)


def _is_another(ctx: Context, batch: Batch, mark: Mark) -> bool:
    """Whether the engine holds another image under that name by now; none is not another."""
    with contextlib.suppress(HatchwayError):
        found = ctx.find(batch.image, ctx.runtime())
        return found is not None and found.config_digest != mark.digest
    return False  # without an engine nothing could be started anyway


def _run(ctx: Context, batch: Batch) -> Summary:
    instance = ctx.request.instance_id
    if batch.problem:
        return results.failed(batch, instance, batch.problem)
    try:
        ctx.runtime().remove(profile.NAME, grace=1)  # what a power cut left
        try:
            image = ctx.image(batch.image)
            is_own = own.is_own(batch, image)
            run_all = own.run if is_own else scripts.run
            summary = run_all(ctx, batch, image)
        finally:
            with interrupt.held():
                scripts.clear()
                removed = _removed(ctx.runtime())
    except HatchwayError as error:
        return results.failed(batch, instance, error.message, error.code)
    if removed:
        _mark(batch, instance, summary, image.config_digest if is_own else "")
    return summary


def _removed(runtime: Runtime) -> bool:
    """Whether nothing of the container is left; what is left, the next run removes."""
    with contextlib.suppress(HatchwayError):
        limit = Deadline.after(scripts.GRACE + CLEAN_UP)
        runtime.within(limit).remove(profile.NAME, grace=scripts.GRACE)
        return True
    return False


def _mark(batch: Batch, instance: str, summary: Summary, digest: str) -> None:
    """Note which jobs the next boot need not look at; without a note it does."""
    known = records.of(step.record for step in summary.steps if step.record)
    with contextlib.suppress(HatchwayError):
        for job in batch.jobs:
            made = due.mark(job, _key(batch, job), summary, known, digest)
            records.write_mark(instance, job.name, made)


def _key(batch: Batch, job: spec.Job) -> str:
    command = batch.commands.get(job.name, ())
    return due.key(job, batch.data[job.user_data], batch.image, command)
