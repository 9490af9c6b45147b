# SPDX-License-Identifier: Apache-2.0
"""Scripts that end well and leave a mount behind: one that is dead, one over our own records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bootstrap_image.spec import Exit, Job, Mode, Status
from tests.bootstrap_image import namespace
from tests.bootstrap_image.run import Run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = namespace.root

# A file system whose server is gone before anybody asks it.
DEAD = """#!/usr/bin/env python3
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
descriptor = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={descriptor},rootmode=40000,user_id=0,group_id=0".encode()
assert libc.mount(b"dead", b"PLACE", b"fuse", 0, options) == 0, os.strerror(ctypes.get_errno())
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path)
    run.before = namespace.before("true")
    (tmp_path / "data").mkdir()
    return run


def test_a_dead_mount_is_no_success_and_the_next_step_runs(run: Run) -> None:
    run.write(
        Job("a", "user-data/a"),
        Job("b", "user-data/b", order=1),
        a=DEAD.replace("PLACE", f"{run.place}/data"),
        b="#!/bin/sh\n",
    )
    assert run.run() == Exit.DEGRADED, run.log()
    first, second = run.summary().steps
    assert (first.status, first.exit_status) == (Status.FAILED, 0)
    assert f"{run.place}/data (Transport endpoint is not connected)" in first.message
    assert second.status == Status.SUCCEEDED


def test_an_essential_job_with_a_dead_mount_fails(run: Run) -> None:
    data = DEAD.replace("PLACE", f"{run.place}/data")
    run.write(Job("a", "user-data/a", essential=True), a=data)
    assert run.run() == Exit.FAILED


def test_a_mount_that_answers_is_none_of_our_business(run: Run) -> None:
    record = run.once(f"#!/bin/sh\nmount -t tmpfs data {run.place}/data\n")
    assert (record.status, record.message) == (Status.SUCCEEDED, "")


def test_a_mount_over_the_records_loses_none_of_them(run: Run) -> None:
    over, seen = f"{run.place}/lib", run.place / "seen"
    run.write(
        Job("a", "user-data/a", order=-1),
        Job("b", "user-data/b"),
        Job("c", "user-data/c", mode=Mode.ALWAYS, order=1),
        a="#!/bin/sh\n",
        b=f"#!/bin/sh\nmount -t tmpfs over {over}\n",
        c=f"#!/bin/sh\ncp -r {over} {seen}\n",
    )
    assert run.run() == Exit.DONE, run.log()
    # The mount is gone with its namespace, as after a reboot: all results are on the disk.
    assert [record.job for record in run.records()] == ["a", "b", "c"]
    assert run.summary().exit_status == Exit.DONE
    # Who asked by path meanwhile found what was finished under the mount.
    (path,) = seen.glob("hatchway/bootstrap/steps/*/b/*.json")
    assert json.loads(path.read_text())["status"] == Status.SUCCEEDED
