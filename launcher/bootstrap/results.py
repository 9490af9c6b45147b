# SPDX-License-Identifier: Apache-2.0
"""What became of user data: the summary of a run, and all that is known, read for people."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bootstrap_image import spec
from bootstrap_image.spec import Exit, Progress, Status, StepResult, Summary
from launcher import files, locks
from launcher.bootstrap import records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from launcher.bootstrap.batches import Batch

LOCK: Final = Path("/run/hatchway/bootstrap.lock")  # held for as long as something runs
_SEVERITY: Final = (Exit.DONE, Exit.DEGRADED, Exit.FAILED)


def read() -> Summary | None:
    """The summary of the last run, or None when there was none or it is damaged."""
    return records.decoded(Path(spec.SUMMARY_FILE), Summary.from_json)


def keep(summary: Summary) -> None:
    """Write a summary where the container would."""
    place = records.directory()
    files.write(place / Path(spec.SUMMARY_FILE).name, summary.to_json().encode())


def failed(batch: Batch, instance_id: str, why: str, code: str = "") -> Summary:
    """The summary of a batch that did not get to its end."""
    essential = any(job.essential for job in batch.jobs)
    return Summary(
        instance_id=instance_id,
        boot_id=boot_id(),
        started=time.time(),
        duration=0.0,
        exit_status=Exit.FAILED if essential else Exit.DEGRADED,
        steps=tuple(StepResult(job.name, "", Status.NOT_RUN, message=why) for job in batch.jobs),
        message=f"{why} [{code}]" if code else why,
    )


def nothing_run(why: str) -> Summary:
    """The summary of a run that could not even begin; the instance stays as it was last known."""
    last = read()
    instance_id = last.instance_id if last else ""
    return Summary(instance_id, boot_id(), time.time(), 0.0, Exit.FAILED, message=why)


def finished(instance_id: str, steps: Sequence[StepResult], *, started: float) -> Summary:
    """The summary of steps that all ended well, or had before; `started` since the epoch."""
    duration = max(0.0, time.time() - started)
    return Summary(instance_id, boot_id(), started, duration, Exit.DONE, tuple(steps))


def another_machine(instance_id: str, source: str) -> dict[str, str] | None:
    """The finding that this machine is not the one of the last run, or None when it is.

    What runs once runs again then: rightly on a copy of a machine, and else a sign that somebody
    put other user data under this one.
    """
    last = read()
    if last is None or last.instance_id == instance_id:
        return None
    was, now = last.instance_id or "unknown", instance_id or "unknown"
    message = (
        f"another machine than at the last run: it was {was}, and is {now} by the source {source}; "
        "what runs once runs again"
    )
    return {"job": "user-data", "path": "instance-id", "message": message, "severity": "warning"}


def with_finding(summary: Summary, finding: dict[str, str]) -> Summary:
    return dataclasses.replace(summary, findings=(finding, *summary.findings))


def forget_keys_of_others(instance_id: str) -> None:
    """Whom another machine's user data let in, of which this one is a copy, does not enter here."""
    last = read()
    if last is not None and last.instance_id and instance_id not in ("", last.instance_id):
        with files.explained(Path(spec.KEYS_FILE)):
            Path(spec.KEYS_FILE).unlink(missing_ok=True)


def merged(summaries: Sequence[Summary]) -> Summary:
    """One summary of several containers' runs, as bad as the worst of them."""
    first = summaries[0]
    return dataclasses.replace(
        first,
        duration=sum(each.duration for each in summaries),
        exit_status=max((each.exit_status for each in summaries), key=_SEVERITY.index),
        steps=tuple(step for each in summaries for step in each.steps),
        findings=tuple(finding for each in summaries for finding in each.findings),
        message="; ".join(each.message for each in summaries if each.message),
    )


def look() -> dict[str, Any]:
    """The documented JSON form: the state, the last run, and each step with its record."""
    summary = read()
    # Before the first step, and between two containers, there is no progress to read.
    if locks.is_held(LOCK):
        state = "running"
    elif summary is None:
        state = "never-run"
    else:
        state = {Exit.DONE: "done", Exit.FAILED: "failed"}.get(summary.exit_status, "degraded")
    return {
        "state": state,
        "this_boot": summary is not None and summary.boot_id == boot_id(),
        "nothing_due": summary is not None and nothing_due(summary),
        "running": _progress() if state == "running" else None,
        "last": dataclasses.asdict(summary) if summary else None,
        "records": [dataclasses.asdict(record) for record in records.every()],
    }


def _progress() -> dict[str, Any] | None:
    running = records.decoded(Path(spec.PROGRESS_FILE), Progress.from_json)
    return dataclasses.asdict(running) if running else None


def nothing_due(summary: Summary) -> bool:
    """Whether all that was to run had been done before."""
    done = all(step.status is Status.DONE_BEFORE for step in summary.steps)
    return done and summary.exit_status is Exit.DONE


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
