# SPDX-License-Identifier: Apache-2.0
"""What `bootstrap status` says to a reader."""

from __future__ import annotations

import time
from typing import Any

import pytest

from launcher.cli import bootstrap_text


def facts(**changed: Any) -> dict[str, Any]:
    last: dict[str, Any] = {"message": "", "steps": [], "findings": []}
    known: dict[str, Any] = {"state": "done", "this_boot": True, "nothing_due": False}
    return known | {"running": None, "last": last, "records": []} | changed


def record(step: str, started: float) -> dict[str, Any]:
    known: dict[str, Any] = {"job": "a", "step": step, "status": "succeeded", "exit_status": 0}
    known |= {"attempts": 1, "duration": 1.0, "started": started, "source": "settings"}
    return known | {"sha256": "0" * 64, "message": "", "last_lines": []}


def test_what_runs_now_is_of_this_boot() -> None:
    state, *_ = bootstrap_text.render(facts(state="running", this_boot=False))
    assert state == "state     running"


def test_the_step_at_hand_is_told_with_when_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    running = {"job": "a", "step": "part-001", "number": 2, "total": 5, "started": 86_400.0}
    _, at_hand = bootstrap_text.render(facts(state="running", running=running))
    monkeypatch.undo()
    time.tzset()
    assert at_hand == "running   a/part-001 (2 of 5), since 1970-01-02 00:00:00 UTC"


def test_a_host_that_never_ran_anything_had_no_earlier_run() -> None:
    state, *_ = bootstrap_text.render(facts(state="never-run", this_boot=False, last=None))
    assert state == "state     never-run"


@pytest.mark.parametrize("ended", ["done", "degraded", "failed"])
def test_a_run_that_ended_before_this_boot_is_said_to_be_of_an_earlier_one(ended: str) -> None:
    state, *_ = bootstrap_text.render(facts(state=ended, this_boot=False))
    assert state == f"state     {ended}, of an earlier boot"


def test_steps_are_told_in_the_order_in_which_they_began() -> None:
    records = [record("late", 300.0), record("first", 100.5), record("next", 100.75)]
    lines = bootstrap_text.render(facts(records=records))
    steps = [line.split()[1] for line in lines if line.startswith("step ")]
    assert steps == ["a/first:", "a/next:", "a/late:"]
