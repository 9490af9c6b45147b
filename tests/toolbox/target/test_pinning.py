# SPDX-License-Identifier: Apache-2.0
"""Namespaces by descriptors: they stay the target's, whoever gets its pid."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from launcher.errors import TargetError
from launcher.proc import Process
from launcher.runtimes.base import Image, State
from tests.conftest import ROOT
from tests.toolbox.target.test_joining import OTHER, REQUEST, plan
from toolbox.target.found import Target
from toolbox.target.joining import Joining
from toolbox.target.pinning import pinned

if TYPE_CHECKING:
    from launcher.plan import Plan

# In a pid namespace of its own, where the kernel gives the pid that it is told to.
REUSED = """
import ctypes, os, time
from pathlib import Path
from launcher.errors import TargetError
from launcher.proc import Process
from tests.toolbox.target.test_pinning import beside, namespaces
from toolbox.target.pinning import pinned

def child():
    if (pid := os.fork()) == 0:
        libc.unshare(0x04000000)  # CLONE_NEWUTS
        os.write(ready[1], b"x")
        time.sleep(600)
    os.read(ready[0], 1)
    return pid

ready, libc = os.pipe(), ctypes.CDLL(None)
first = child()
made, target = beside(first)
own = namespaces(first)
with pinned(made, target) as joined:
    time.sleep(0.05)  # a start is told in hundredths of a second
    os.kill(first, 9); os.waitpid(first, 0)
    Path("/proc/sys/kernel/ns_last_pid").write_text(str(first - 1))
    second = child()
    assert second == first, (first, second)
    assert namespaces(second) != own
    assert Path(joined.joins["uts"]).readlink() == own
    assert Path(made.joins["uts"]).readlink() == namespaces(second)
try:
    with pinned(made, target):
        print("taken for the first")
except TargetError as error:
    print(error.code)
os.kill(second, 9)
"""


def beside(pid: int) -> tuple[Plan, Target]:
    process = Process.of(pid)
    assert process is not None
    target = Target(runtime="pid", id=str(pid), name="web", state=State.RUNNING, process=process)
    request = dataclasses.replace(REQUEST, joining=Joining(target=target))
    return plan(request, Image("other", "sha256:1")), target


def namespaces(pid: int) -> Path:
    return Path(f"/proc/{pid}/ns/uts").readlink()


def test_a_pid_that_was_given_away_leads_nobody_astray() -> None:
    argv = ("unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", REUSED)
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)
    assert (done.stdout, done.returncode) == ("target.gone\n", 0), done.stderr


def test_what_is_joined_is_the_targets_and_closed_afterwards() -> None:
    made, target = beside(os.getpid())
    before = set(Path("/proc/self/fd").iterdir())
    with pinned(made, target) as joined:
        assert joined.joins.keys() == made.joins.keys()
        for kind, path in joined.joins.items():
            assert path.startswith(f"/proc/{os.getpid()}/fd/")
            assert Path(path).samefile(made.joins[kind])
    assert set(Path("/proc/self/fd").iterdir()) == before


def test_a_plan_that_joins_nothing_of_the_target_stays_as_it_is() -> None:
    made = plan()
    with pinned(made, None) as same:
        assert same is made
    _, target = beside(os.getpid())
    for engine in ("docker", "podman"):
        ours = plan(image=OTHER, engine="docker") if engine == "docker" else plan()
        with pinned(ours, target) as same:
            assert same is ours


def test_a_target_that_ended_is_told() -> None:
    with subprocess.Popen(("sleep", "100")) as child:
        made, target = beside(child.pid)
        child.kill()
    with pytest.raises(TargetError) as caught, pinned(made, target):
        pass
    assert caught.value.code == "target.gone"
