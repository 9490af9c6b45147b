# SPDX-License-Identifier: Apache-2.0
"""`bootstrap run`: each batch in one container, watched to its end, its results left on record."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bootstrap_image import spec
from launcher import contract, files, interrupt, locks, logfile
from launcher.bootstrap import results
from launcher.errors import ContainerError, HatchwayError
from launcher.proc import Process
from launcher.profiles import bootstrap as profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bootstrap_image.spec import Summary
    from launcher.bootstrap.batches import Batch
    from launcher.host import Host
    from launcher.logfile import Growth
    from launcher.monitor import Monitor
    from launcher.plan import Plan
    from launcher.runtimes.base import Image, Runtime

LOCK: Final = Path("/run/hatchway/bootstrap.lock")
POLL: Final = 0.05
LAST_WORDS: Final = 5.0  # seconds between the end of the process and that of its clean-up


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that a run depends on; `timeout` in seconds bounds all of it."""

    batches: tuple[Batch, ...]
    instance_id: str
    memory: int
    cpus: float
    pids: int
    timeout: float


def run(
    request: Request,
    host: Host,
    *,
    runtime: Runtime,
    ensure: Callable[[str, float], Image],
    monitor: Monitor,
    show: Callable[[str], None],
) -> tuple[Summary, ...]:
    """Run all batches and give their summaries; a batch that could not run is one as well.

    `show` gets each line that the containers print. Raises only when nothing could be tried.
    """
    until = time.monotonic() + request.timeout
    files.own_directory(LOCK.parent)
    lock = locks.hold(LOCK, timeout=request.timeout, monitor=monitor, what="running user data")
    with interrupt.noted(), lock:
        run_one = _Run(request, host, runtime, ensure, monitor, show, until)
        summaries: list[Summary] = []
        for batch in request.batches:
            summaries.append(run_one(batch))
            # Each container writes its own: what is kept must tell of all of them.
            results.keep(results.merged(summaries))
            if summaries[-1].exit_status is spec.Exit.FAILED:
                break  # what an essential job was to prepare, the next may build upon
        return tuple(summaries)


@dataclasses.dataclass(frozen=True, slots=True)
class _Run:
    request: Request
    host: Host
    runtime: Runtime
    ensure: Callable[[str, float], Image]
    monitor: Monitor
    show: Callable[[str], None]
    until: float

    def __call__(self, batch: Batch) -> Summary:
        try:
            self.runtime.remove(profile.NAME, grace=1)  # what a power cut left
            return self._batch(batch)
        except HatchwayError as error:
            return results.failed(batch, self.request.instance_id, error)
        finally:
            with interrupt.held(), contextlib.suppress(HatchwayError):
                self.runtime.remove(profile.NAME, grace=5)
                shutil.rmtree(spec.RUN, ignore_errors=True)

    def _batch(self, batch: Batch) -> Summary:
        image = self.ensure(batch.image, max(1.0, self.until - time.monotonic()))
        contract.require(
            image, label=spec.CONTRACT_LABEL, contract=spec.CONTRACT, asked=batch.image
        )
        planned = self._plan(image)
        for note in planned.notes:
            self.monitor.note(note)
        write(batch, self.request.instance_id)
        before = time.time()
        self.monitor.step(f"running {', '.join(job.name for job in batch.jobs)}")
        growth = logfile.Growth(Path(spec.LOG_FILE))
        try:
            container = self.runtime.start(planned)
            self._await_end(Process.of(container.pid), growth)
        finally:
            self._show(growth)
        summary = results.read()
        if summary is None or summary.started < before - 1:
            message = "the bootstrap container ended without a result"
            raise ContainerError("container.died", message, "Look at `hatchway bootstrap logs`.")
        return summary

    def _show(self, growth: Growth) -> None:
        for line in growth.lines():
            self.show(line)

    def _plan(self, image: Image) -> Plan:
        request = self.request
        return profile.plan(
            image, self.host, memory=request.memory, cpus=request.cpus, pids=request.pids
        )

    def _await_end(self, process: Process | None, growth: Growth) -> None:
        while process is not None and process.alive():
            interrupt.check()
            if time.monotonic() > self.until:
                message = f"user data did not end within {self.request.timeout:.0f} s"
                hint = "Raise [bootstrap] timeout, or give its steps a shorter one."
                raise ContainerError("container.stuck", message, hint)
            self._show(growth)
            time.sleep(POLL)


def write(batch: Batch, instance_id: str) -> None:
    """The jobs and their user data, for root's eyes only: user data carries secrets."""
    shutil.rmtree(spec.RUN, ignore_errors=True)
    for place in (Path(spec.RUN).parent, Path(spec.STATE).parent, Path(spec.LOG)):
        files.own_directory(place)
    for place in (Path(spec.RUN), Path(spec.STATE)):
        files.own_directory(place, mode=0o700)
    for name, data in batch.data.items():
        files.write(Path(spec.RUN, name), data)
    jobs = spec.Jobs(instance_id, batch.jobs, _proxies())
    files.write(Path(spec.JOBS_FILE), jobs.to_json().encode())


def _proxies() -> dict[str, str]:
    names: Iterable[str] = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    return {
        spelling: os.environ[spelling]
        for name in names
        for spelling in (name, name.lower())
        if spelling in os.environ
    }
