# SPDX-License-Identifier: Apache-2.0
"""Which jobs are to run, as a pure decision."""

from __future__ import annotations

import dataclasses

import pytest

from bootstrap_image.spec import Exit, Job, Mode, Record, Status, StepResult, Summary
from launcher.bootstrap import due
from launcher.bootstrap.due import Mark

JOB = Job("a", "a")
KEY = due.key(JOB, b"#!/bin/sh\n", "image:1")
NAME = "steps/i-1/a/script.json"
RECORD = Record("a", "part-001", "script", "x", "1", "once", Status.SUCCEEDED, "i-1", "b", 1.0)
MARK = Mark(KEY, (NAME,))


def record(status: Status = Status.SUCCEEDED, frequency: str = "once") -> dict[str, Record]:
    return {NAME: dataclasses.replace(RECORD, status=status, frequency=frequency)}


def summary(status: Status, *, severity: str = "", message: str = "") -> Summary:
    findings = ({"job": "a", "path": "p", "message": "m", "severity": severity},)
    step = StepResult("a", "part-001", status, record=NAME)
    return Summary("i-1", "b", 1.0, 1.0, Exit.DONE, (step,), findings if severity else (), message)


def test_what_ended_well_for_the_same_content_is_not_due() -> None:
    assert not due.is_due(KEY, MARK, record())


def test_a_job_of_which_nothing_is_known_is_due() -> None:
    assert due.is_due(KEY, None, {})


@pytest.mark.parametrize(
    "other",
    [
        due.key(JOB, b"#!/bin/sh\nother\n", "image:1"),
        due.key(JOB, b"#!/bin/sh\n", "image:2"),
        due.key(dataclasses.replace(JOB, mode=Mode.ALWAYS), b"#!/bin/sh\n", "image:1"),
        due.key(JOB, b"#!/bin/sh\n", "image:1", ("/own",)),
    ],
    ids=["content", "image", "mode", "command"],
)
def test_other_content_image_mode_or_command_is_due(other: str) -> None:
    assert due.is_due(other, MARK, record())


def test_other_limits_are_no_reason_to_run_again() -> None:
    other = dataclasses.replace(JOB, timeout=1.0, retries=3, order=5, essential=True)
    assert due.key(other, b"#!/bin/sh\n", "image:1") == KEY


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, True),
        (record(Status.FAILED), True),
        (record(Status.INTERRUPTED), True),
        (record(frequency="always"), True),
        (record(frequency="once-ever"), False),
        (record(Status.FAILED, "once-attempted"), False),
        (record(Status.ATTEMPTED, "once-attempted"), False),
    ],
    ids=["no record", "failed", "interrupted", "always", "per once", "attempted", "power cut"],
)
def test_the_records_of_the_steps_have_the_last_word(
    found: dict[str, Record], expected: bool
) -> None:
    assert due.is_due(KEY, MARK, found) is expected


def test_a_job_without_steps_is_done_when_it_was_looked_at() -> None:
    assert not due.is_due(KEY, Mark(KEY), {})


def test_a_job_that_ended_well_gets_a_mark_that_makes_it_not_due() -> None:
    made = due.mark(JOB, KEY, summary(Status.SUCCEEDED), record())
    assert made == MARK
    assert Mark.from_json(made.to_json()) == made


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (summary(Status.FAILED), record(Status.FAILED)),
        (summary(Status.SUCCEEDED, severity="error"), record()),
        (summary(Status.SUCCEEDED, message="told to stop"), record()),
        (summary(Status.SUCCEEDED), record(frequency="always")),
        (summary(Status.SUCCEEDED), {}),
    ],
    ids=["failed", "misunderstood", "cut short", "always", "not on record"],
)
def test_in_doubt_there_is_no_mark(seen: Summary, found: dict[str, Record]) -> None:
    assert due.mark(JOB, KEY, seen, found) is None


def test_a_warning_is_no_doubt() -> None:
    assert due.mark(JOB, KEY, summary(Status.SUCCEEDED, severity="warning"), record()) == MARK


def test_one_attempt_that_failed_is_all_that_once_attempted_allows() -> None:
    attempted = dataclasses.replace(JOB, mode=Mode.ONCE_ATTEMPTED)
    found = record(Status.FAILED, "once-attempted")
    assert due.mark(attempted, KEY, summary(Status.FAILED), found) == MARK


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"key": "x"}', '{"key": 1, "records": 5}'])
def test_a_damaged_mark_is_no_mark(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong with it
        Mark.from_json(text)
