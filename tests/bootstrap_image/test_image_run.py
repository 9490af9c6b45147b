# SPDX-License-Identifier: Apache-2.0
"""The real image: what a script finds in it, and how it ends."""

from __future__ import annotations

import json
import os
import random
import stat
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from bootstrap_image.spec import CONTRACT, CONTRACT_LABEL, Exit, Job, Mode, Status
from tests.bootstrap_image.container import Machine, podman
from tests.bootstrap_image.cuts import STEPS, Cuts, user_data
from tests.bootstrap_image.make import message
from tools import build_image

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.engine

CUTS = int(os.environ.get("HATCHWAY_CUTS", "4"))


def test_the_image_says_which_contract_it_speaks(image: str) -> None:
    (found,) = json.loads(podman("image", "inspect", image).stdout)
    assert found["Labels"][CONTRACT_LABEL] == str(CONTRACT)


def test_scripts_find_the_hosts_system_and_its_modules(image: str, tmp_path: Path) -> None:
    with Machine(tmp_path) as machine:
        record = machine.once(
            "#!/bin/sh\n. /etc/os-release; echo $ID\nreadlink /usr/lib/modules\n"
            "test -s $SSL_CERT_FILE && echo certificates\n"
        )
        assert record.last_lines == ("stand-in", "/host/lib/modules", "certificates")


def test_scripts_messages_and_settings_act_on_the_host(image: str, tmp_path: Path) -> None:
    config = (
        b"#cloud-config\nhostname: node-7\n"
        b"users: [{name: svc, uid: 1500, homedir: /var/lib/svc}]\n"
        b"write_files: [{path: /etc/app/conf, content: hi, permissions: 0600, owner: svc}]\n"
        b"runcmd: [[sh, -c, 'cat /etc/app/conf > /opt/seen'], 'echo done > /root/done',\n"
        b" [sh, -c, 'stat -c %U:%G:%a /etc/app/conf /var/lib/svc > /opt/stat'],\n"
        b" [install, -m, 0750, -o, svc, /etc/app/conf, /opt/copy]]\n"
    )
    script = b"#!/bin/bash\necho $INSTANCE_ID > /usr/local/id; cat /etc/hostname > /opt/name\n"
    with Machine(tmp_path, "--cap-add=SYS_ADMIN") as machine:
        machine.write(
            Job("settings", "user-data/a"),
            Job("script", "user-data/b", order=-1),
            a=message(("text/cloud-config", config, ""), ("text/x-shellscript", script, "")),
            b="#!/usr/bin/env python3\nopen('/etc/first', 'w').write('x')\n",
        )
        assert machine.run() == Exit.DONE, machine.output
        read = {
            name: (tmp_path / name).read_text()
            for name in ("opt/name", "opt/seen", "root/done", "usr/local/id", "etc/first")
        }
        assert list(read.values()) == ["node-7\n", "hi", "done\n", "i-1\n", "x"]
        assert (tmp_path / "opt/stat").read_text() == "svc:root:600\nsvc:svc:700\n"
        copy = (tmp_path / "opt/copy").stat()
        assert (stat.S_IMODE(copy.st_mode), copy.st_uid) == (0o750, 1500)
        assert [step.step for step in machine.summary().steps] == [
            "part-001",
            "users",
            "write_files",
            "users_homes",
            "hostname",
            "part-002",
            "runcmd",
        ]
        assert machine.run() == Exit.DONE
        assert {step.status for step in machine.summary().steps} == {Status.DONE_BEFORE}


def test_a_script_that_fills_the_disk_does_not_take_its_result_with_it(
    image: str, tmp_path: Path
) -> None:
    with Machine(tmp_path) as machine:
        # In a mount of the container's own, and copied out by the next job.
        options = ("--tmpfs=/var/lib:size=2m,mode=755",)
        machine.options = options
        machine.write(
            Job("a", "user-data/a"),
            Job("b", "user-data/b", order=1),
            a="#!/bin/bash\ncat /dev/zero > /var/lib/full\ndf /var/lib | tail -1\nexit 4\n",
            b="#!/bin/bash\ncp -r /var/lib/hatchway/bootstrap /opt/copy\n",
        )
        assert machine.run() == Exit.DEGRADED, machine.output
        (record,) = tmp_path.glob("opt/copy/steps/i-1/a/*.json")
        assert json.loads(record.read_text())["exit_status"] == 4


def test_user_data_is_validated_without_running_anything(image: str, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/data").write_text("#cloud-config\nruncmd: [touch /root/ran]\nbogus: 1\n")
    with Machine(tmp_path) as machine:
        assert machine.run("validate", "/root/data") == 1
        found = json.loads(machine.output)
        assert [step["name"] for step in found["steps"]] == ["runcmd"]
        assert [finding["path"] for finding in found["findings"]] == ["user-data: bogus"]
        assert not (tmp_path / "root/ran").exists()


def test_a_stop_by_the_engine_is_prompt_and_keeps_results(image: str, tmp_path: Path) -> None:
    with Machine(tmp_path) as machine:
        machine.write(
            Job("a", "user-data/a", essential=True), a="#!/bin/sh\ntouch /root/on\nsleep 600\n"
        )
        with _started(machine) as container:
            while not (tmp_path / "root/on").exists():
                assert container.poll() is None
                time.sleep(0.05)
            podman("stop", "--time=10", machine.name)
            # Later it would have been killed, and no result kept.
            assert container.wait(20) == Exit.FAILED
        assert machine.summary().steps[0].status == Status.INTERRUPTED


def test_power_cuts_of_the_container_leave_a_correct_state(image: str, tmp_path: Path) -> None:
    chance, cuts, round_ = random.Random(3), 0, 0
    while cuts < CUTS:
        place = tmp_path / str(round_)
        round_ += 1
        with Machine(place) as machine:
            state = Cuts(place / "root", place / "var/lib/hatchway/bootstrap")
            machine.write(Job("a", "user-data/a"), a=user_data("/root"))
            for tried in range(40):
                if len(state.on_record) == STEPS:
                    break
                with _started(machine) as container:
                    try:
                        container.wait(chance.uniform(0.3, 0.9) * (1 + tried / 5))
                    except subprocess.TimeoutExpired:
                        podman("kill", "--signal=KILL", machine.name)
                        container.wait(20)
                        cuts += 1
                podman("rm", "--force", "--ignore", machine.name)
                state.check()
            assert machine.run() == Exit.DONE


def test_a_hundred_scripts_share_one_start(image: str, tmp_path: Path) -> None:
    parts = [("text/x-shellscript", b"#!/bin/sh\n# %d\n" % n, "") for n in range(100)]
    with Machine(tmp_path) as machine:
        took = []
        for many in (parts[:1], parts):
            machine.write(Job("a", "user-data/a", mode=Mode.ALWAYS), a=message(*many))
            start = time.monotonic()
            assert machine.run() == Exit.DONE
            took.append(time.monotonic() - start)
        each = (took[1] - took[0]) / 99 * 1000
        print(f"one script {took[0]:.2f} s, a hundred {took[1]:.2f} s: {each:.1f} ms each")
        assert len(machine.summary().steps) == 100


def _started(machine: Machine) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ("podman", "--runtime=runc", "run", *machine.arguments()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "CONTAINERS_CONF": str(build_image.CACHE / "containers.conf")},
    )
