# SPDX-License-Identifier: Apache-2.0
"""Programs that a script calls and does not get are named, whatever its status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bootstrap_image import refused
from bootstrap_image.missing import program
from bootstrap_image.spec import Status
from tests.bootstrap_image.run import Run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("/tmp/x/part-001: line 3: nvme: command not found", "nvme"),
        ("bash: foo: command not found", "foo"),
        ("sudo: foo: command not found", "foo"),
        ("/tmp/x/part-001: 3: nvme: not found", "nvme"),
        ("sh: 1: exec: foo: not found", "foo"),
        ("./x: line 2: ./y: cannot execute: required file not found", "./y"),
        ("bash: ./x: /usr/bin/zsh: bad interpreter: No such file or directory", "/usr/bin/zsh"),
        ("/usr/bin/env: \u2018zsh\u2019: No such file or directory", "zsh"),
        ("timeout: failed to run command 'foo': No such file or directory", "foo"),
        (f"yum: {refused.SAYING}: because", "yum"),
        ("Error: secret: not found", ""),
        ("kubectl: error: pods not found", ""),
        ("cat: /etc/x: No such file or directory", ""),
        ("12:30: the value was not found", ""),
    ],
)
def test_a_line_names_the_program_that_is_missing(line: str, name: str) -> None:
    assert program(line) == name


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_a_missing_program_is_a_warning_though_the_script_ends_well(run: Run, shell: str) -> None:
    record = run.once(f"#!/bin/{shell}\nno-such-program --now\ntrue\n")
    assert record.status is Status.SUCCEEDED
    (finding,) = run.summary().findings
    assert finding["severity"] == "warning"
    assert "no-such-program" in finding["message"]


def test_a_refused_program_says_why_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused.main("yum") == refused.STATUS
    assert "image of your own" in capsys.readouterr().err
