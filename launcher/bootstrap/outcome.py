# SPDX-License-Identifier: Apache-2.0
"""What a run comes to: an exit status for systemd, and lines that say it on the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bootstrap_image.spec import Exit, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bootstrap_image.spec import StepResult, Summary

_FINE = (Status.SUCCEEDED, Status.DONE_BEFORE)


def status(summaries: Sequence[Summary]) -> Exit:
    """The worst of all: 0 done, 2 degraded, 1 when an essential job failed."""
    found = {summary.exit_status for summary in summaries}
    return next((each for each in (Exit.FAILED, Exit.DEGRADED) if each in found), Exit.DONE)


def keeps_the_gate_shut(summaries: Sequence[Summary]) -> bool:
    return status(summaries) is Exit.FAILED


def lines(summaries: Sequence[Summary], gate: str) -> Iterator[str]:
    """One line for each step that ran or did not, and one that says what follows."""
    for summary in summaries:
        yield from (_line(step) for step in summary.steps)
        for finding in summary.findings:
            place = f"{finding['job']}: {finding['path']}"
            yield f"{finding['severity']:<12} {place}: {finding['message']}"
        if summary.message:
            yield f"{'failed':<12} {summary.message}"
    if not summaries:
        yield "There is no user data."
    elif keeps_the_gate_shut(summaries):
        yield f"An essential job failed, so {gate} is not started: `hatchway bootstrap status`"
    elif status(summaries) is Exit.DEGRADED:
        yield f"A job failed that is not essential: {gate} starts all the same."


def _line(step: StepResult) -> str:
    name = f"{step.job}/{step.step}" if step.step else step.job
    text = f"{step.status:<12} {name}"
    if step.status not in (Status.DONE_BEFORE, Status.NOT_RUN):
        text += f" in {step.duration:.2f} s"
    if step.status not in _FINE and step.exit_status is not None:
        text += f", exit status {step.exit_status}"
    return f"{text}: {step.message}" if step.message else text
