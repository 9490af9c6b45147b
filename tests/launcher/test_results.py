# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from bootstrap_image.spec import Exit, Status, StepResult, Summary
from launcher.bootstrap import outcome, results


def summary(status: Exit, job: str, message: str = "") -> Summary:
    step = StepResult(job, "part-001", Status.SUCCEEDED)
    return Summary("i-1", "boot", 1.0, 2.0, status, (step,), (), message)


def test_a_later_container_does_not_hide_what_an_earlier_one_failed_at() -> None:
    runs = [summary(Exit.DEGRADED, "a", "no luck"), summary(Exit.DONE, "b")]
    whole = results.merged(runs)
    assert (whole.exit_status, whole.duration, whole.message) == (Exit.DEGRADED, 4.0, "no luck")
    assert [step.job for step in whole.steps] == ["a", "b"]
    assert outcome.status(runs) is Exit.DEGRADED


def test_an_essential_failure_is_worse_than_a_degraded_run() -> None:
    runs = [summary(Exit.DEGRADED, "a"), summary(Exit.FAILED, "b")]
    assert results.merged(runs).exit_status is Exit.FAILED
    assert outcome.status(runs) is Exit.FAILED
    assert "kubelet.service is not started" in "\n".join(outcome.lines(runs, "kubelet.service"))
