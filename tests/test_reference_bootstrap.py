# SPDX-License-Identifier: Apache-2.0
"""User data on the reference host: before the stand-in for kubelet, once, and with consequences."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.refhost.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.refhost, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parent.parent
HATCHWAY = "/opt/hatchway/hatchway"
ARCHIVE = "hatchway-bootstrap.tar"

SCRIPT = b"""\
#!/bin/bash
set -e
echo vm.swappiness=7 > /etc/sysctl.d/90-node.conf
echo from the script > /opt/script
systemctl is-active containerd
modprobe dummy
mkdir -p /mnt/scratch && mount -t tmpfs scratch /mnt/scratch
! touch /host/x 2>/dev/null
! touch /host/usr/x 2>/dev/null
"""

CONFIG = b"""\
#cloud-config
hostname: node7
write_files:
- path: /etc/motd.d/hatchway
  content: welcome
  permissions: '0640'
runcmd:
- [sh, -c, 'echo from runcmd > /opt/runcmd']
"""

MESSAGE = b"""\
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="=="

--==
Content-Type: text/x-shellscript; charset="us-ascii"
Content-Disposition: attachment; filename="first.sh"

#!/bin/sh
echo from a part > /opt/part

--==--
"""

SETTINGS = b"""\
[bootstrap]
source = "none"
[bootstrap-containers.script]
mode = "once"
essential = true
file = "/opt/data/script"
[bootstrap-containers.config]
mode = "once"
order = 1
file = "/opt/data/config"
[bootstrap-containers.message]
mode = "once"
order = 2
file = "/opt/data/message"
"""


def build(*argv: str) -> None:
    subprocess.run((sys.executable, *argv), check=True, cwd=ROOT)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A host with the units installed and three jobs, rebooted once."""
    build("tools/build_image.py", "bootstrap")
    build("tools/build_bundle.py")
    brought = tmp_path_factory.mktemp("image")
    (brought / ARCHIVE).hardlink_to(ROOT / ".cache" / "images" / ARCHIVE)
    files = {"/opt/hatchway": ROOT / "dist" / "hatchway", "/opt/image": brought}
    with Machine(files=files) as machine:
        machine.run((HATCHWAY, "image", "load", f"/opt/image/{ARCHIVE}"), timeout=300)
        machine.run(("mkdir", "-p", "/etc/hatchway", "/opt/data"))
        for name, data in (("script", SCRIPT), ("config", CONFIG), ("message", MESSAGE)):
            machine.write(f"/opt/data/{name}", data)
        machine.write("/etc/hatchway/config.toml", SETTINGS)
        machine.run((HATCHWAY, "install"))
        machine.reboot()
        yield machine


def status(machine: Machine) -> dict[str, Any]:
    said = machine.run((HATCHWAY, "bootstrap", "status", "--wait", "--output", "json"))
    value: dict[str, Any] = json.loads(said)
    return value


def changed(machine: Machine, path: str) -> float:
    return float(machine.run(("stat", "-c", "%.Y", path)))


def test_all_forms_ran_and_kubelet_started_after_the_last_step(node: Machine) -> None:
    found = status(node)
    assert found["state"] == "done", found["records"]
    assert {record["status"] for record in found["records"]} == {"succeeded"}
    ended = max(record["started"] + record["duration"] for record in found["records"])
    assert changed(node, "/run/kubelet.started") > ended


def test_what_they_did_is_done_on_the_host(node: Machine) -> None:
    for name, text in (("script", "the script"), ("runcmd", "runcmd"), ("part", "a part")):
        assert node.read(f"/opt/{name}").decode() == f"from {text}\n"
    assert node.read("/etc/sysctl.d/90-node.conf") == b"vm.swappiness=7\n"
    assert node.read("/proc/sys/kernel/hostname") == b"node7\n"
    assert node.read("/etc/hostname") == b"node7\n"
    assert node.run(("stat", "-c", "%a", "/etc/motd.d/hatchway")).strip() == "640"
    assert "dummy" in node.read("/proc/modules").decode()
    assert "/var/mnt/scratch" in node.read("/proc/1/mountinfo").decode()


def test_the_container_is_gone_and_its_inputs_with_it(node: Machine) -> None:
    assert "hatchway-bootstrap" not in node.run(("ctr", "-n", "hatchway", "containers", "ls"))
    assert "hatchway-bootstrap" not in node.run(("ctr", "-n", "hatchway", "snapshots", "ls"))
    assert node.exec(("ls", "/run/hatchway/bootstrap")).status != 0
    assert node.run(("stat", "-c", "%a", "/var/lib/hatchway/bootstrap")).strip() == "700"


def test_a_run_by_hand_runs_nothing_again_until_it_is_reset(node: Machine) -> None:
    node.run(("rm", "/opt/part"))
    again = node.run((HATCHWAY, "bootstrap", "run", "message"), timeout=120)
    assert "done-before  message/first.sh" in again
    node.run((HATCHWAY, "bootstrap", "reset", "message"))
    node.run((HATCHWAY, "bootstrap", "run", "message"), timeout=120)
    assert node.read("/opt/part") == b"from a part\n"


def test_an_essential_failure_keeps_kubelet_from_starting_and_says_so(node: Machine) -> None:
    node.write("/opt/data/script", b"#!/bin/sh\necho no luck today; exit 3\n")
    node.reboot()
    assert node.exec(("systemctl", "is-active", "kubelet")).stdout == b"inactive\n"
    assert "no luck today" in node.console
    assert "kubelet.service is not started" in node.console
    found = status(node)
    assert found["state"] == "failed"
    (failed,) = [record for record in found["records"] if record["status"] == "failed"]
    assert (failed["job"], failed["exit_status"]) == ("script", 3)
    assert failed["last_lines"] == ["no luck today"]


def test_a_hung_script_holds_nothing_longer_than_its_limit(node: Machine) -> None:
    node.write("/opt/data/script", b"#!/bin/sh\nsleep 1000\n")
    limited = SETTINGS.replace(b"essential = true", b"timeout = 3.0")
    node.write("/etc/hatchway/config.toml", limited)
    ran = node.exec((HATCHWAY, "bootstrap", "run"), timeout=120)
    assert ran.status == 2, ran.stdout
    assert b"timed-out" in ran.stdout
