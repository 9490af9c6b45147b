# SPDX-License-Identifier: Apache-2.0
"""What became of user data: the records that the container leaves in STATE, read for people."""

from __future__ import annotations

import dataclasses
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bootstrap_image import spec
from bootstrap_image.spec import Exit, Progress, Record, Status, StepResult, Summary
from launcher import files
from launcher.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from launcher.bootstrap.batches import Batch
    from launcher.errors import HatchwayError

T = TypeVar("T")


def read() -> Summary | None:
    """The summary of the last run, or None when there was none or it is damaged."""
    return _decoded(Path(spec.SUMMARY_FILE), Summary.from_json)


def keep(summary: Summary) -> None:
    """Write a summary where the container would."""
    files.own_directory(Path(spec.STATE).parent)
    files.own_directory(Path(spec.STATE), mode=0o700)
    files.write(Path(spec.SUMMARY_FILE), summary.to_json().encode())


def progress() -> Progress | None:
    """What runs at this moment."""
    return _decoded(Path(spec.PROGRESS_FILE), Progress.from_json)


def records() -> Iterator[Record]:
    """Every step that ever ran, as it ended last."""
    for path in sorted(Path(spec.STEPS).glob("*/*/*.json")):
        if (record := _decoded(path, Record.from_json)) is not None:
            yield record


def failed(batch: Batch, instance_id: str, error: HatchwayError) -> Summary:
    """The summary of a batch whose container did not get to its end."""
    essential = any(job.essential for job in batch.jobs)
    return Summary(
        instance_id=instance_id,
        boot_id=boot_id(),
        started=time.time(),
        duration=0.0,
        exit_status=Exit.FAILED if essential else Exit.DEGRADED,
        steps=tuple(
            StepResult(job.name, "", Status.NOT_RUN, message=error.message) for job in batch.jobs
        ),
        message=f"{error.message} [{error.code}]",
    )


def merged(summaries: Sequence[Summary]) -> Summary:
    """One summary of several containers' runs, as bad as the worst of them."""
    first = summaries[0]
    severity = (Exit.DONE, Exit.DEGRADED, Exit.FAILED)
    return dataclasses.replace(
        first,
        duration=sum(each.duration for each in summaries),
        exit_status=max((each.exit_status for each in summaries), key=severity.index),
        steps=tuple(step for each in summaries for step in each.steps),
        findings=tuple(finding for each in summaries for finding in each.findings),
        message="; ".join(each.message for each in summaries if each.message),
    )


def reset(name: str) -> None:
    """Forget the steps of a job, so that they run again; `UsageError` when none is known."""
    found = [path for path in Path(spec.STEPS).glob("*/*") if path.name == name and path.is_dir()]
    if not found:
        known = sorted({path.name for path in Path(spec.STEPS).glob("*/*")})
        message = f"nothing is known of a job {name!r}"
        hint = f"Jobs that ran are: {', '.join(known) or 'none'}."
        raise UsageError("usage.invalid", message, hint)
    for path in found:
        shutil.rmtree(path)


def look() -> dict[str, Any]:
    """The documented JSON form: the state, the last run, and each step with its record."""
    summary, running = read(), progress()
    if running is not None and running.boot_id == boot_id():
        state = "running"
    elif summary is None:
        state = "never-run"
    else:
        state = {Exit.DONE: "done", Exit.FAILED: "failed"}.get(summary.exit_status, "degraded")
    return {
        "state": state,
        "this_boot": summary is not None and summary.boot_id == boot_id(),
        "running": dataclasses.asdict(running) if state == "running" and running else None,
        "last": dataclasses.asdict(summary) if summary else None,
        "records": [dataclasses.asdict(record) for record in records()],
    }


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _decoded(path: Path, decode: Callable[[str], T]) -> T | None:
    try:
        return decode(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
