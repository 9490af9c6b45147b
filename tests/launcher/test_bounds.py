# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import subprocess
import sys

import pytest

from launcher import bounds, process
from launcher.errors import HostError


def test_a_deadline_bounds_a_library_that_knows_none() -> None:
    def library() -> None:
        subprocess.run(("sleep", "60"), check=True)

    with pytest.raises(HostError, match=r"the engine did not end within 0 s") as caught:  # noqa: SIM117
        with bounds.deadline(0.2, "the engine"):
            library()
    assert caught.value.code == "host.timeout"


def test_a_deadline_spares_what_is_started_after_it() -> None:
    with pytest.raises(HostError), bounds.deadline(0.1, "the engine"):
        subprocess.run(("sleep", "60"), check=True)
    subprocess.run(("sleep", str(process.KILL_GRACE + 0.5)), check=True)


def test_a_deadline_ends_only_children_of_its_own_call() -> None:
    with subprocess.Popen((sys.executable, "-c", "input()"), stdin=subprocess.PIPE) as other:
        with pytest.raises(HostError), bounds.deadline(0.2, "the engine"):
            subprocess.run(("sleep", "60"), check=True)
        assert other.poll() is None
        other.communicate(b"\n")
