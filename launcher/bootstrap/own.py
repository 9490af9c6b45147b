# SPDX-License-Identifier: Apache-2.0
"""Images of the user's own, as Bottlerocket's bootstrap containers are: one start for each job.

Each ends as a step of a script does: with a record, a line of the summary, and its output in the
log. Its user data lies where those images look for it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bootstrap_image import spec
from bootstrap_image.spec import Exit, Mode, Progress, Record, Status, StepResult, Summary
from launcher import files, interrupt, pouring
from launcher.bootstrap import context, due, records, results, scripts
from launcher.bootstrap.capture import Capture
from launcher.deadline import CLEAN_UP, Deadline
from launcher.errors import HatchwayError
from launcher.profiles import own_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bootstrap_image.spec import Job
    from launcher.bootstrap.batches import Batch
    from launcher.bootstrap.context import Context
    from launcher.plan import Plan
    from launcher.runtimes.base import Image

STEP: Final = "container"  # the one step of such a job
GRACE: Final = 5.0  # seconds between SIGTERM and SIGKILL, when its time is over
LONGEST_WAIT: Final = 30.0  # seconds between two attempts: 1, 2, 4, ... up to this
SYNC_LIMIT: Final = 60.0  # seconds
_ANY_OUTPUT: Final = 1 << 62  # bytes: what is kept is bounded elsewhere
_GOOD: Final = (Status.SUCCEEDED, Status.DONE_BEFORE)


def is_own(batch: Batch, image: Image) -> bool:
    """Whether the image is to run by itself, and not our runner in it."""
    return bool(batch.commands) or spec.CONTRACT_LABEL not in image.labels


def run(ctx: Context, batch: Batch, image: Image) -> Summary:
    """Run the jobs one after another; nothing runs after an essential one that failed."""
    started, begun = time.time(), time.monotonic()
    found: list[StepResult] = []
    stopped = ""
    for number, job in enumerate(batch.jobs, 1):
        if stopped:
            found.append(StepResult(job.name, STEP, Status.NOT_RUN, message=stopped))
            continue
        _say_progress(job, number, len(batch.jobs))
        found.append(_Job(ctx, image, job, batch).run())
        if job.essential and found[-1].status not in _GOOD:
            stopped = f"{job.name} is essential, and it failed"
    bad = {step.job for step in found if step.status not in _GOOD}
    outcome = Exit.DEGRADED if bad else Exit.DONE
    if any(job.essential and job.name in bad for job in batch.jobs):
        outcome = Exit.FAILED
    return Summary(
        ctx.request.instance_id, results.boot_id(), started, time.monotonic() - begun, outcome,
        tuple(found), message=stopped,
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class _Job:
    ctx: Context
    image: Image
    job: Job
    batch: Batch

    def run(self) -> StepResult:
        known = records.of([self._path])
        if self.job.mode is not Mode.ALWAYS and any(map(due.settled, known.values())):
            return StepResult(self.job.name, STEP, Status.DONE_BEFORE, record=self._path)
        blank = self._blank()
        if self.job.mode is Mode.ONCE_ATTEMPTED:
            # Before it starts: after a power cut in its middle it must not start again.
            records.write(blank, self._file)
        record = self._attempts(blank)
        records.write(record, self._file)
        return StepResult(
            record.job, record.step, record.status, record.exit_status, record.duration,
            record.message, self._path,
        )  # fmt: skip

    def _attempts(self, blank: Record) -> Record:
        ctx, job = self.ctx, self.job
        capture = Capture(f"{job.name}/{STEP}", ctx.show)
        capture.say(f"{job.name}: {STEP} starts ({blank.source})")
        ctx.monitor.step(f"running {job.name}")
        begun = time.monotonic()
        number = 0
        while True:
            number += 1
            status, exit_status, message = self._attempt(capture)
            late = time.monotonic() > ctx.until
            if status is Status.SUCCEEDED or number > job.retries or late:
                break
            capture.say(f"{job.name}: {STEP} failed: {message}; it is tried again")
            _wait(min(2.0 ** (number - 1), LONGEST_WAIT))
        record = dataclasses.replace(
            blank, status=status, exit_status=exit_status, message=message, attempts=number,
            duration=time.monotonic() - begun, last_lines=capture.last_lines,
        )  # fmt: skip
        ended = f": {message}" if message else ""
        capture.say(f"{job.name}: {STEP} {status} after {record.duration:.2f} s{ended}")
        return record

    def _attempt(self, capture: Capture) -> tuple[Status, int | None, str]:
        """How it ended, its exit status, and what went wrong."""
        ctx = self.ctx
        limit = min(self.job.timeout, ctx.left())
        try:
            with self._at_hand() as kept, _scratch() as scratch:
                planned = self._plan(kept)
                cut_off = True
                try:
                    argv = ctx.runtime().foreground(planned, interactive=False, scratch=scratch)
                    poured = pouring.pour(argv, into=capture.feed, timeout=limit, most=_ANY_OUTPUT)
                    cut_off = bool(poured.ended)
                    status = ctx.runtime().verdict(planned, poured.status, scratch)
                finally:
                    with interrupt.held():
                        capture.close()
                        late = cut_off and not ctx.runtime().made(scratch)
                        rest = Deadline.after(GRACE + CLEAN_UP)
                        ctx.runtime().within(rest).remove(planned.name, grace=GRACE, late=late)
        except HatchwayError as error:
            return Status.FAILED, None, f"{error.message} [{error.code}]"
        if poured.ended:
            return Status.TIMED_OUT, None, f"it did not end within {limit:g} s"
        if status:
            return Status.FAILED, status, f"it ended with exit status {status}"
        if not _settled():
            return Status.FAILED, 0, f"what it wrote did not reach the disk within {SYNC_LIMIT:g} s"
        return Status.SUCCEEDED, 0, ""

    def _plan(self, kept: Path) -> Plan:
        request = self.ctx.request
        told = "".join(sign for sign in request.instance_id if sign.isprintable())
        return own_image.plan(
            self.image, self.ctx.host, name=self.job.name, kept=kept,
            command=self.batch.commands.get(self.job.name, ()),
            environment={"INSTANCE_ID": told, **context.proxies()},
            memory=request.memory, cpus=request.cpus, pids=request.pids, more=request.capabilities,
        )  # fmt: skip

    @contextlib.contextmanager
    def _at_hand(self) -> Iterator[Path]:
        """Its directory on the host, with its user data in it for as long as it runs."""
        kept = records.directory("containers", self.job.name)
        data = self.batch.data[self.job.user_data]
        place = kept / own_image.USER_DATA
        if data:
            files.write(place, data)
        try:
            yield kept
        finally:
            if data:
                place.unlink(missing_ok=True)

    def _blank(self) -> Record:
        job, request = self.job, self.ctx.request
        return Record(
            job.name, STEP, STEP, f"{self.image.name}@{self.image.config_digest}", self._key,
            job.mode, Status.ATTEMPTED, request.instance_id, results.boot_id(), time.time(),
        )  # fmt: skip

    @property
    def _key(self) -> str:
        command = self.batch.commands.get(self.job.name, ())
        data = self.batch.data[self.job.user_data]
        return due.key(self.job, data, self.image.config_digest, command)

    @property
    def _file(self) -> str:
        return f"{STEP}-{self._key}-1.json"

    @property
    def _path(self) -> str:
        scope = spec.scope(self.ctx.request.instance_id)
        return f"steps/{scope}/{self.job.name}/{self._file}"


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """A directory of root's for one start of an engine's client."""
    import shutil
    import tempfile

    place = Path(tempfile.mkdtemp(prefix="start-", dir=spec.RUN))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _say_progress(job: Job, number: int, total: int) -> None:
    """For `status`; it is made anew for each, as the place goes with each batch."""
    scripts.own_places()
    said = Progress(results.boot_id(), job.name, STEP, number, total, time.time())
    files.write(Path(spec.PROGRESS_FILE), said.to_json().encode())


def _settled() -> bool:
    """Whether all disks have taken what was written: a record must not outlive what it tells of."""
    # In a thread: a disk that is gone can keep whoever waits for it for ever.
    writing = threading.Thread(target=os.sync, daemon=True)
    writing.start()
    writing.join(SYNC_LIMIT)
    return not writing.is_alive()


def _wait(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        interrupt.check()
        time.sleep(min(0.1, seconds))
