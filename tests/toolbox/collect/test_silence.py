# SPDX-License-Identifier: Apache-2.0
"""`doctor` and `collect` on a host with a file system whose server is dead, for the real kernel."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT
from tests.toolbox.collect.opened import Opened

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.realtime

HATCHWAY = (sys.executable, "-m", "launcher.cli.main")
SILENT = (sys.executable, "-m", "tests.toolbox.silent")
root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts")


def beside(place: Path, *command: str, before: str = "true") -> tuple[str, ...]:
    """The command, in a mount namespace in which a dead server is mounted at `place`."""
    whole = shlex.join((*SILENT, str(place), "fuse.glusterfs", "--", *command))
    script = f"mkdir -p {place} && {before} && exec {whole}"
    return ("unshare", "--mount", "--propagation", "private", "sh", "-c", script)


def run(argv: tuple[str, ...]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(argv, capture_output=True, check=False, cwd=ROOT, timeout=100)


@root
def test_a_server_elsewhere_is_not_asked_and_what_lies_behind_it_is_said_to_be_silent(
    tmp_path: Path,
) -> None:
    dead = tmp_path / "dead"
    below = f"mkdir {dead}/below && mount -t tmpfs none {dead}/below"
    doctor = (*HATCHWAY, "doctor", "--output", "json")
    facts = json.loads(run(beside(dead, *doctor, before=below)).stdout)
    found = {each["code"]: each for each in facts["findings"]}
    assert found["disks.silent"]["evidence"] == [f"{dead}/below (none, tmpfs)"]
    assert "disks" in facts["checked"]


@root
def test_what_a_dead_server_holds_costs_its_own_item_and_nothing_else(tmp_path: Path) -> None:
    dead = tmp_path / "dead"
    recipe = tmp_path / "mine.conf"
    recipe.write_text(
        "exec first echo first\n"
        f"@timeout=1 file file {dead}/x\n"
        f"@timeout=1 glob {dead}/*\n"
        f"@timeout=1 exec program cat {dead}/x\n"
        f"@timeout=1 @needs={dead}/socket exec needs echo x\n"
        "@timeout=1 look pods pods\n"
        "exec last echo last\n"
    )
    # Where kubelet keeps logs is on that server as well: the checkup meets it first.
    logs = f"mount -t tmpfs none /var/log && ln -s {dead} /var/log/pods"
    # Half of the time is the checkup's, and all of that goes into the pods.
    collect = ("toolbox", "collect", str(tmp_path / "x.tar.zst"), "--timeout", "40")
    only = ("--recipe", str(recipe), "--only", "mine")
    done = run(beside(dead, *HATCHWAY, *collect, *only, before=logs))
    assert done.returncode == 0, done.stderr.decode()
    opened = Opened.at(tmp_path / "x.tar.zst")
    opened.check()
    assert opened.manifest["ending"] == "complete"
    assert opened.statuses() == {
        "mine.conf:1": "ok",
        "mine.conf:2": "timeout",
        "mine.conf:3": "timeout",
        "mine.conf:4": "timeout",
        "mine.conf:5": "timeout",
        "mine.conf:6": "timeout",
        "mine.conf:7": "ok",
    }
    assert opened.manifest["checkup"]["gaps"]["pods"] == "no answer in time"


@root
def test_ctrl_c_does_not_wait_for_a_dead_server(tmp_path: Path) -> None:
    dead = tmp_path / "dead"
    recipe = tmp_path / "mine.conf"
    recipe.write_text(f"exec first echo first\nfile file {dead}/x\nglob {dead}/*\nexec never true")
    collect = ("toolbox", "collect", str(tmp_path / "x.tar.zst"))
    command = (*HATCHWAY, *collect, "--recipe", str(recipe), "--only", "mine")
    with subprocess.Popen(beside(dead, *command), cwd=ROOT, stderr=subprocess.PIPE) as child:
        assert child.stderr
        for line in child.stderr:
            if b"3/4 mine" in line:
                break
        time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 130
    opened = Opened.at(tmp_path / "x.tar.zst")
    opened.check()
    assert opened.manifest["ending"] == "interrupted"
    assert opened.statuses() == {
        "mine.conf:1": "ok",
        "mine.conf:2": "interrupted",
        "mine.conf:3": "interrupted",
        "mine.conf:4": "skipped",
    }
