# SPDX-License-Identifier: Apache-2.0
"""What a failed script is told of the right that it lacked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from bootstrap_image import obstacle
from bootstrap_image.spec import Exit, Job, Status
from launcher.host import CAPABILITIES
from launcher.profiles import bootstrap as profile
from tests.bootstrap_image import namespace
from tests.bootstrap_image.run import Run

if TYPE_CHECKING:
    from pathlib import Path

MASK = sum(1 << CAPABILITIES.index(name) for name in (*profile.NEEDS, *profile.WANTS))


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("nsenter: cannot open /proc/1/ns/mnt: Permission denied", "SYS_PTRACE"),
        ("strace: attach: ptrace(PTRACE_SEIZE, 1): Operation not permitted", "SYS_PTRACE"),
        ("cat: /dev/mem: Operation not permitted", "SYS_RAWIO"),
        ("reboot: Operation not permitted", "SYS_BOOT"),
        ("rtcwake: set rtc wake alarm failed: Operation not permitted", "WAKE_ALARM"),
        ("setfattr: /etc/x: security.x: Operation not permitted", "MAC_ADMIN"),
    ],
)
def test_a_line_that_names_its_matter_names_the_capability(line: str, name: str) -> None:
    said = obstacle.hint(["more", line, "set -e ended it"], MASK)
    assert f"CAP_{name}" in said
    assert f'[bootstrap] capabilities = ["{name}"]' in said


def test_another_line_has_all_that_the_container_goes_without() -> None:
    said = obstacle.hint(["frob: Operation not permitted"], MASK)
    named = set(CAPABILITIES) & set(re.findall(r"\w+", said))
    assert named == set(CAPABILITIES) - {*profile.NEEDS, *profile.WANTS}
    assert "[bootstrap] capabilities" in said


def test_who_has_every_capability_is_told_of_none() -> None:
    assert obstacle.hint(["chattr: Operation not permitted"], (1 << len(CAPABILITIES)) - 1) == ""


def test_a_read_only_place_is_said_with_those_that_are_not() -> None:
    said = obstacle.hint(["touch: cannot touch '/usr/bin/x': Read-only file system"], MASK)
    assert "/opt" in said
    assert "capabilities" not in said


@namespace.root[0]
@namespace.root[1]
def test_a_program_where_none_may_run_is_said(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.before = namespace.before('mount -t tmpfs -o noexec etc "$1/lib"', str(tmp_path))
    program = f"{tmp_path}/lib/program"
    run.write(Job("a", "user-data/a"), a=f"#!/bin/sh\ncp /bin/true {program}\n{program}\n")
    assert run.run() == Exit.DEGRADED
    assert f"{program} lies where programs must not be run (noexec)" in run.log()


@pytest.mark.parametrize("line", ["", "it works", "cat: /etc/shadow: Permission denied"])
def test_what_says_nothing_of_rights_gets_no_hint(line: str) -> None:
    assert obstacle.hint([line], MASK) == ""


def test_a_failed_script_has_the_hint_in_its_result_and_in_the_log(tmp_path: Path) -> None:
    run = Run(tmp_path)
    record = run.once("#!/bin/sh\necho mount: /x: Read-only file system >&2\nexit 32\n")
    assert record.message.startswith("it ended with 32; the host's root and /usr")
    assert "it ended with 32; the host's root and /usr" in run.log()


def test_a_script_that_went_on_has_none(tmp_path: Path) -> None:
    record = Run(tmp_path).once("#!/bin/sh\necho x: Operation not permitted\n")
    assert (record.status, record.message) == (Status.SUCCEEDED, "")
