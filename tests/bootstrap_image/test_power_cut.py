# SPDX-License-Identifier: Apache-2.0
"""The runner killed at random moments: nothing is marked done too early, and no result lost.

HATCHWAY_CUTS=200 pytest tests/bootstrap_image -k power_cut    (so many, here and of containers)
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from bootstrap_image.spec import Exit, Job, Mode, Status
from tests.bootstrap_image.cuts import STEPS, Cuts, user_data
from tests.bootstrap_image.run import Run

pytestmark = pytest.mark.realtime

CUTS = int(os.environ.get("HATCHWAY_CUTS", "8"))


def test_power_cuts_leave_a_correct_state_each_time(tmp_path: Path) -> None:
    chance, cuts, hosts = random.Random(20261121), 0, 0
    while cuts < CUTS:
        run = Run(tmp_path / str(hosts))
        hosts += 1
        state = Cuts(run.place, Path(run.places["state"]))
        run.write(Job("a", "user-data/a"), a=user_data(str(run.place)))
        for tried in range(100):
            if len(state.on_record) == STEPS:
                break
            with run.start() as process:
                try:
                    # Longer and longer: a slow disk must not keep all of them from the end.
                    process.wait(chance.uniform(0.02, 0.4) * (1 + tried / 5))
                except subprocess.TimeoutExpired:
                    process.kill()
                    cuts += 1
            state.check()
        assert run.run() == Exit.DONE
        assert {step.status for step in run.summary().steps} == {Status.DONE_BEFORE}


def test_a_step_that_is_attempted_once_does_not_start_again_after_a_cut(tmp_path: Path) -> None:
    run = Run(tmp_path)
    script = (
        f"#!/bin/sh\necho $$ > {tmp_path}/pid\necho begin >> {tmp_path}/journal\nexec sleep 30\n"
    )
    run.write(Job("a", "user-data/a", mode=Mode.ONCE_ATTEMPTED), a=script)
    journal = tmp_path / "journal"
    with run.start() as process:
        # The shell makes the file first, and writes then.
        while not (journal.exists() and journal.stat().st_size):
            time.sleep(0.01)
        process.kill()
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert [record.status for record in run.records()] == [Status.ATTEMPTED]
    assert run.run() == Exit.DONE
    assert journal.read_text() == "begin\n"
