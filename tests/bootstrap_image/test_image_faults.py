# SPDX-License-Identifier: Apache-2.0
"""Bad user data in the real image: all of it in one start, each with an end of its own."""

from __future__ import annotations

import dataclasses
import gzip
import stat
from typing import TYPE_CHECKING

import pytest

from bootstrap_image.spec import USER_DATA_LIMIT, Exit, Job, Status, Summary
from tests.bootstrap_image.container import Machine
from tests.bootstrap_image.make import SCRIPT, message

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.engine


@dataclasses.dataclass(frozen=True)
class Fault:
    """User data, how its step ends (None: it has none), and words of the step or of a finding."""

    data: bytes
    status: Status | None
    said: str = ""
    exit_status: int | None = None


GOOD = message(("text/x-shellscript", SCRIPT, ""))
FAULTS = {
    "crlf": Fault(b"#!/bin/bash\r\ntest -n x\r\n", Status.SUCCEEDED, "converted", 0),
    "nul": Fault(b"#!/bin/bash\ntrue\n\0\ntrue\n", Status.SUCCEEDED, "NUL"),
    "latin-1": Fault(b"#!/bin/sh\nprintf '\xe9\\n'\n", Status.SUCCEEDED, "no UTF-8"),
    "largest": Fault(SCRIPT + b"#" * (USER_DATA_LIMIT - len(SCRIPT)), Status.SUCCEEDED),
    "too-large": Fault(SCRIPT + b"#" * USER_DATA_LIMIT, None, "16 MiB"),
    "no-interpreter": Fault(b"#!/usr/bin/ruby\n", Status.FAILED, "an image of your own", 127),
    "cut-gzip": Fault(gzip.compress(SCRIPT * 9)[:-9], None, "cut off"),
    "wrong-boundary": Fault(GOOD.replace(b"\n--==1234==", b"\n--==9=="), None, "does not occur"),
    "no-last-boundary": Fault(GOOD.replace(b"--==1234==--", b""), None, "cut off?"),
    "up-and-away": Fault(
        b"#cloud-config\nwrite_files: [{path: /etc/../usr/bin/x, content: x}]\n", None, "must not"
    ),
    "name": Fault(
        message(("text/x-shellscript", SCRIPT, "Content-Disposition: x; filename=../../etc/n\n")),
        Status.SUCCEEDED,
        "became",
    ),
    "planted-directory": Fault(
        b"#cloud-config\nwrite_files: [{path: /etc/planted/x, content: x}]\n",
        Status.FAILED,
        "leads out of",
    ),
    "planted-file": Fault(
        b"#cloud-config\nwrite_files: [{path: /etc/planted-file, content: x, append: true}]\n",
        Status.FAILED,
        "leads out of",
    ),
    "lingers": Fault(b"#!/bin/bash\n(setsid sleep 600 &)\nsleep 600 &\n", Status.SUCCEEDED),
    "hangs": Fault(b"#!/bin/sh\ntrap '' TERM\nsleep 600\n", Status.TIMED_OUT, "within 2 s"),
    "kills": Fault(
        b"#!/bin/bash\nkill -9 $PPID; kill -9 1; sleep 60\n", Status.FAILED, "parent", 137
    ),
    "read-only": Fault(b"#!/bin/sh\ntouch /host/x\n", Status.FAILED, "are read-only: write", 1),
    "zz-last": Fault(b"#!/bin/sh\ntest ! -e /usr/bin/x\n", Status.SUCCEEDED, "", 0),
}


@pytest.fixture(scope="module")
def summary(image: str, tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """What became of all of them in one start."""
    place = tmp_path_factory.mktemp("host")
    with Machine(place) as machine:
        (place / "etc/planted").symlink_to("/usr/bin")
        (place / "etc/planted-file").symlink_to("/usr/bin/x")
        machine.write(
            *(Job(name, f"user-data/{name}", timeout=2 if name == "hangs" else 60)
              for name in FAULTS),
            **{name: fault.data for name, fault in FAULTS.items()},
        )  # fmt: skip
        assert machine.run() == Exit.DEGRADED, machine.output
        assert "Traceback" not in machine.output
        return machine.summary()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_has_its_own_end_and_a_sentence(summary: Summary, name: str) -> None:
    fault = FAULTS[name]
    steps = [step for step in summary.steps if step.job == name]
    said = [finding["message"] for finding in summary.findings if finding["job"] == name]
    assert [step.status for step in steps] == ([fault.status] if fault.status else [])
    assert fault.said in " ".join([*said, *(step.message for step in steps)])
    if fault.exit_status is not None:
        assert steps[0].exit_status == fault.exit_status


SECRET = "s3cret-word"
SECRETS = f"""#cloud-config
bootcmd: [echo {SECRET}]
write_files: [{{path: /etc/app/token, content: {SECRET}, permissions: '0600'}}]
runcmd:
- echo {SECRET}
- ls -ld /tmp/hatchway-bootstrap $0
- grep -al {SECRET} /proc/[0-9]*/cmdline /proc/[0-9]*/environ || echo in no arguments
- exit 3
"""


def test_no_file_that_holds_a_secret_is_for_others(image: str, tmp_path: Path) -> None:
    with Machine(tmp_path) as machine:
        (tmp_path / "var/log/hatchway").mkdir()
        # As an older version might have left it.
        (tmp_path / "var/log/hatchway/bootstrap.log").write_text("")
        (tmp_path / "var/log/hatchway/bootstrap.log").chmod(0o644)
        machine.write(Job("a", "user-data/a"), a=SECRETS)
        assert machine.run() == Exit.DEGRADED
        runcmd = next(record for record in machine.records() if record.step == "runcmd")
    inputs = tmp_path / "run/hatchway"  # the test's own: the launcher writes them
    holding = [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and not path.is_relative_to(inputs) and SECRET in path.read_text()
    ]
    assert {path.name for path in holding} >= {"token", "bootstrap.log"}
    assert len(holding) >= 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in holding} == {0o600}
    assert "in no arguments" in runcmd.last_lines
    place, script = (line.split()[0] for line in runcmd.last_lines if "/tmp/" in line)
    assert (place, script) == ("drwx------", "-rwx------")
    assert SECRET not in machine.summary().to_json()
