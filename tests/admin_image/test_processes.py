# SPDX-License-Identifier: Apache-2.0
"""In a process of its own: what is ended here must not be pytest's children."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from admin_image import processes

ROOT = Path(processes.__file__).parents[1]
STUBBORN = """
import subprocess, sys, time
from admin_image import processes
from hostview import kernel
kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
stubborn = "trap '' TERM HUP; sleep 987; :"
subprocess.Popen(["/bin/sh", "-c", 'setsid sh -c "$0" & ' + stubborn, stubborn])
time.sleep(0.5)
before = len(processes.descendants())
start = time.monotonic()
processes.end_all(grace=0.3)
print(before, len(processes.descendants()), time.monotonic() - start < 3)
"""

pytestmark = pytest.mark.engine


def test_stubborn_and_orphaned_descendants_are_ended() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STUBBORN],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=30,
    )
    before, after, quick = done.stdout.split()
    assert int(before) >= 4
    assert (after, quick) == ("0", "True")


def test_a_process_whose_name_looks_like_the_end_of_it_is_read() -> None:
    pid = int(Path("/proc/self").readlink().name)
    assert pid in dict(processes._parents())
