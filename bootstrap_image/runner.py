# SPDX-License-Identifier: Apache-2.0
"""Run the steps of all jobs one after another, and keep what became of each."""

from __future__ import annotations

import dataclasses
import os
import select
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bootstrap_image import action, durable, enginefiles, obstacle, systemctl
from bootstrap_image.attempt import Outcome, attempt
from bootstrap_image.environment import environment
from bootstrap_image.fetch import Fetcher
from bootstrap_image.files import Directory
from bootstrap_image.findings import Finding
from bootstrap_image.log import Capture, Log
from bootstrap_image.newmounts import NewMounts
from bootstrap_image.plan import Plan, plan
from bootstrap_image.records import Records
from bootstrap_image.shutdown import Allowance
from bootstrap_image.signals import Signals
from bootstrap_image.spec import (
    HOST,
    JOBS_FILE,
    LOG_FILE,
    PROGRESS_FILE,
    RUN,
    STATE,
    USER_DATA_LIMIT,
    Exit,
    Job,
    Jobs,
    Mode,
    Progress,
    Record,
    Status,
    StepResult,
    Summary,
)
from bootstrap_image.step import Frequency
from bootstrap_image.view import View
from hostview import kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bootstrap_image.step import Step

_WAIT_LIMIT: Final = 30.0  # seconds between two attempts: 1, 2, 4, ... up to this
_JOBS_LIMIT: Final = 16 << 20
_GOOD: Final = (Status.SUCCEEDED, Status.DONE_BEFORE)


@dataclasses.dataclass(frozen=True, slots=True)
class Places:
    """Where things are; tests have others."""

    run: str = RUN
    state: str = STATE
    log: str = LOG_FILE
    scripts: str = action.SCRIPTS
    host: str = HOST


def main(places: Places | None = None) -> int:
    """Do all jobs; the exit status of the container."""
    places = places or Places()
    log = Log(places.log)
    try:
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        jobs = _jobs(places)
        return Runner(jobs, places, log).run()
    except (OSError, ValueError) as error:
        log.say(f"error: {error}")
    except Exception as error:  # noqa: BLE001 - the launcher must hear of it in a sentence
        log.say(f"error: a defect of the bootstrap image: {type(error).__name__}: {error}")
    return Exit.FAILED


class Runner:
    """One run of the container."""

    def __init__(self, jobs: Jobs, places: Places, log: Log) -> None:
        self._jobs = jobs
        self._places = places
        self._log = log
        self._view = View(places.host, log)
        for problem in enginefiles.take_away(places.host) if places.host else ():
            log.say(f"warning: {problem}")
        self._mounts = NewMounts()
        self._signals = Signals()
        self._records = Records(jobs.instance_id, places.state)
        self._fetch = Fetcher(self._signals, places.state)
        self._environment = environment(jobs.instance_id, jobs.environment)
        os.environ.update(self._environment)  # for what we fetch ourselves: proxies, certificates
        self._boot_id = _boot_id()
        self._results: list[StepResult] = []
        self._bad: set[str] = set()  # jobs of which anything went wrong
        self._stopped = ""
        self._warnings: list[dict[str, str]] = []  # of what steps printed

    def run(self) -> Exit:
        started, begun = time.time(), time.monotonic()
        ordered = sorted(self._jobs.jobs, key=lambda job: (job.order, job.name))
        plans = [(job, self._plan(job)) for job in ordered if job.mode is not Mode.OFF]
        total = sum(len(made.steps) for _, made in plans)
        for job, made in plans:
            self._job(job, made, total)
        outcome = self._exit()
        findings = (
            *(
                {"job": job.name, **dataclasses.asdict(finding)}
                for job, made in plans
                for finding in made.findings
            ),
            *self._warnings,
        )
        self._finish(
            Summary(
                self._jobs.instance_id, self._boot_id, started, time.monotonic() - begun,
                outcome, tuple(self._results), findings, self._stopped, self._jobs.nonce,
            )
        )  # fmt: skip
        return outcome

    def _plan(self, job: Job) -> Plan:
        try:
            data = _user_data(job, self._places)
            made = plan(data, job=job.name, mode=job.mode, fetch=self._fetch)
        except OSError as error:
            made = Plan((), (Finding("user-data", f"it cannot be read: {error}"),))
        for finding in made.findings:
            self._log.say(f"{finding.severity}: {job.name}: {finding}")
        return made

    def _job(self, job: Job, made: Plan, total: int) -> None:
        if not made.sound:
            self._bad.add(job.name)
            if job.essential:
                self._stop(f"{job.name} is essential, and not all of its user data is understood")
        for step in made.steps:
            result = self._step(job, step, total)
            self._results.append(result)
            if result.status not in (*_GOOD, Status.NOT_RUN):
                self._bad.add(job.name)
                if job.essential:
                    self._stop(f"{job.name} is essential, and its step {step.name} failed")

    def _step(self, job: Job, step: Step, total: int) -> StepResult:
        if self._signals.ending():
            self._stop("the container was told to stop")
        if self._stopped:
            return StepResult(job.name, step.name, Status.NOT_RUN, message=self._stopped)
        if self._records.done(step):
            self._log.say(f"{job.name}: {step.name} was done before")
            path = self._records.path(step)
            return StepResult(job.name, step.name, Status.DONE_BEFORE, record=path)
        self._view.keep_sealed()
        self._progress(job, step, total)
        record = self._attempts(job, step)
        return self._keep(step, record)

    def _attempts(self, job: Job, step: Step) -> Record:
        started, begun = time.time(), time.monotonic()
        blank = Record(
            job.name, step.name, step.kind, step.source, step.sha256, step.frequency,
            Status.ATTEMPTED, self._jobs.instance_id, self._boot_id, started,
        )  # fmt: skip
        before = self._records.read(step)
        allowance = Allowance(before.shutdowns if before else 0, self._places.scripts)
        if step.frequency is Frequency.ONCE_ATTEMPTED:
            # Before it starts: after a power cut in its middle it must not start again.
            self._records.write(step, blank)
        self._log.say(f"{job.name}: {step.name} starts ({step.source})")
        capture = Capture(self._log, f"{job.name}/{step.name}")
        for number in range(1, job.retries + 2):
            allowance.give()
            outcome = self._once(job, step, capture)
            if allowance.take():
                asked = "; ".join(filter(None, (outcome.message, "it asked for a shutdown")))
                outcome = dataclasses.replace(outcome, message=asked)
            if outcome.status in (Status.SUCCEEDED, Status.INTERRUPTED) or number > job.retries:
                break
            self._log.say(f"{job.name}: {step.name} failed: {outcome.message}; it is tried again")
            if self._wait(min(2.0 ** (number - 1), _WAIT_LIMIT)):
                break
        if warning := capture.missing.warning:
            self._warn(job, step, warning)
        if outcome.status is Status.SUCCEEDED and (why := durable.settle(job.timeout)):
            outcome = dataclasses.replace(outcome, status=Status.FAILED, message=why)
        return dataclasses.replace(
            blank, status=outcome.status, duration=time.monotonic() - begun, attempts=number,
            exit_status=outcome.exit_status, message=outcome.message,
            last_lines=capture.last_lines, shutdowns=allowance.count,
        )  # fmt: skip

    def _once(self, job: Job, step: Step, capture: Capture) -> Outcome:
        with action.prepared(step, self._environment, self._places.scripts) as act:
            outcome = attempt(act, timeout=job.timeout, capture=capture, signals=self._signals)
        if outcome.errno:
            message = action.explain(step, outcome.errno, self._places.scripts)
            return dataclasses.replace(outcome, message=message)
        if outcome.status is Status.FAILED:
            message = _explained(step, outcome.message, capture.last_lines)
            return dataclasses.replace(outcome, message=message)
        if outcome.status is Status.TIMED_OUT and (jobs := systemctl.waiting()):
            message = f"{outcome.message}; systemd has jobs that wait: {', '.join(jobs)}"
            return dataclasses.replace(outcome, message=message)
        if (dead := self._mounts.broken()) and outcome.status is Status.SUCCEEDED:
            message = f"it ended well, but what it mounted does not answer: {', '.join(dead)}"
            return dataclasses.replace(outcome, status=Status.FAILED, message=message)
        return outcome

    def _keep(self, step: Step, record: Record) -> StepResult:
        status, message, path = record.status, record.message, self._records.path(step)
        try:
            self._records.write(step, record)
        except OSError as error:
            # What is not on record will run again: that is no success.
            status, message, path = Status.FAILED, f"its result cannot be kept: {error}", ""
        said = f"{status} after {record.duration:.2f} s{f': {message}' if message else ''}"
        self._log.say(f"{record.job}: {record.step} {said}")
        return StepResult(
            record.job, record.step, status, record.exit_status, record.duration, message, path
        )

    def _warn(self, job: Job, step: Step, message: str) -> None:
        finding = Finding(f"{step.source}: {step.name}", message, "warning")
        self._warnings.append({"job": job.name, **dataclasses.asdict(finding)})
        self._log.say(f"warning: {job.name}: {step.name}: {message}")

    def _wait(self, seconds: float) -> bool:
        """Whether we were told to stop meanwhile."""
        select.select([self._signals.descriptor], [], [], seconds)
        return self._signals.ending()

    def _stop(self, why: str) -> None:
        if not self._stopped:
            self._stopped = why
            self._log.say(f"nothing more is run: {why}")

    def _exit(self) -> Exit:
        not_run = {result.job for result in self._results if result.status is Status.NOT_RUN}
        bad = self._bad | not_run
        if any(job.essential and job.name in bad for job in self._jobs.jobs):
            return Exit.FAILED
        return Exit.DEGRADED if bad else Exit.DONE

    def _progress(self, job: Job, step: Step, total: int) -> None:
        progress = Progress(
            self._boot_id, job.name, step.name, len(self._results) + 1, total, time.time()
        )
        place = Path(self._places.run)
        try:
            with Directory.open(place.parent, place.name) as directory:
                # /run is memory: there is nothing to bring to a disk.
                directory.write(Path(PROGRESS_FILE).name, progress.to_json(), durable=False)
        except OSError as error:
            self._log.say(f"warning: {error}")

    def _finish(self, summary: Summary) -> None:
        try:
            self._records.write_summary(summary.to_json())
        except OSError as error:
            self._log.say(f"warning: the summary cannot be kept: {error}")
        words = {Exit.DONE: "done", Exit.FAILED: "failed", Exit.DEGRADED: "degraded"}
        self._log.say(f"{words[summary.exit_status]} after {summary.duration:.2f} s")


def _explained(step: Step, message: str, lines: Sequence[str]) -> str:
    """Why a step failed: a module says so itself, a script by what it printed last."""
    if step.kind == "module":
        said = (line.removeprefix("error: ") for line in reversed(lines) if "error: " in line[:7])
        message = next(said, message)
    return "; ".join(filter(None, (message, obstacle.hint(lines))))


def _jobs(places: Places) -> Jobs:
    place = Path(places.run)
    try:
        with Directory.open(place.parent, place.name) as directory:
            data = directory.read(Path(JOBS_FILE).name, limit=_JOBS_LIMIT)
        return Jobs.from_json(data.decode())
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot use what the launcher wrote: {error}") from error


def _user_data(job: Job, places: Places) -> bytes:
    *names, last = job.user_data.split("/")
    place = Path(places.run)
    with Directory.open(place.parent, place.name, *names) as directory:
        # One byte more than allowed: that it is too much is then a finding.
        return directory.read(last, limit=USER_DATA_LIMIT + 1)


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
