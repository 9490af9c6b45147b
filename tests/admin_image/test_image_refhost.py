# SPDX-License-Identifier: Apache-2.0
"""The real image on the reference host: kernel 5.10 without mount_setattr, containerd's ctr.

Started by ctr's own means, so that it fails for the image's reasons and not for the launcher's.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from admin_image import spec
from admin_image.spec import UIDS, DoorSpec
from tests.admin_image.door import keygen
from tests.refhost.machine import Machine
from tools import build_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ssh = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = [pytest.mark.refhost, pytest.mark.timeout(600)]

NAMESPACES = ("pid", "ipc", "uts")
MOUNTS = {
    spec.HOST: ("/", "rbind:ro:rslave"),
    "/dev": ("/dev", "rbind:rw"),
    "/sys": ("/sys", "rbind:rw"),
    **{place: (place, "rbind:rw") for place in (spec.RUN, spec.STATE, spec.LOG)},
}


@pytest.fixture(scope="module")
def machine(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine of this module's own: it is left with an open door and an extra mount."""
    images = tmp_path_factory.mktemp("images")
    (images / "admin.tar").hardlink_to(build_image.ARCHIVE)
    with Machine(files={"/var/lib/brought": images}) as machine:
        machine.run(["ctr", "images", "import", "/var/lib/brought/admin.tar"], timeout=300)
        yield machine


@pytest.fixture(scope="module")
def ssh(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Ssh:
    key = tmp_path_factory.mktemp("key") / "id"
    keygen("-t", "ed25519", "-N", "", "-f", str(key))
    for place in (spec.STATE, spec.LOG):
        machine.run(["mkdir", "-p", place])
    machine.write(spec.SPEC_FILE, DoorSpec().to_json().encode(), 0o600)
    machine.write(spec.KEYS_FILE, key.with_suffix(".pub").read_bytes())
    machine.run(_start(), timeout=120)
    _wait_until_open(machine)

    def ssh(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        options = ("-F", "none", "-i", str(key), "-oBatchMode=yes", "-oLogLevel=ERROR")
        unknown = ("-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null")
        where = (f"-p{machine.ssh_port}", "admin@127.0.0.1")
        command = ("ssh", *options, *unknown, *where, *words)
        return subprocess.run(
            command, capture_output=True, text=True, input=given, timeout=120, check=False
        )

    return ssh


def test_nothing_that_a_path_leads_to_below_the_host_is_writable(ssh: Ssh) -> None:
    # By access(2), which knows read-only mounts: findmnt also lists what another mount hides.
    script = """
        findmnt -R /host -rno FSTYPE,TARGET | while read -r kind target; do
            target=$(printf %b "$target")
            [ "$kind" = autofs ] || ! [ -w "$target" ] || echo "writable: $target"
            echo "$kind"
        done
    """
    found = ssh("sudo bash", given=script).stdout.splitlines()
    assert {"squashfs", "ext4", "overlay", "tmpfs"} <= set(found)
    assert [line for line in found if line.startswith("writable")] == []


def test_a_mount_that_appears_later_is_sealed(machine: Machine, ssh: Ssh) -> None:
    machine.run(["mkdir", "-p", "/var/a late disk"])
    machine.run(["mount", "-t", "tmpfs", "none", "/var/a late disk"])
    end = time.monotonic() + 20
    while time.monotonic() < end and b"a late disk" not in machine.read(spec.LOG_FILE):
        time.sleep(0.2)
    assert "Read-only" in ssh("sudo touch '/host/var/a late disk/x'").stderr
    machine.run(["touch", "/var/a late disk/the host writes"])


def test_hostsh_runs_in_the_host_and_the_host_stays_as_it_is(ssh: Ssh) -> None:
    assert ssh("hostsh uname -r").stdout.startswith("5.10.")
    assert "Read-only file system" in ssh("hostsh touch /usr/x").stderr
    assert ssh("hostsh bash -c true").returncode == 127


def test_a_shell_in_the_host_has_what_the_host_lacks(ssh: Ssh) -> None:
    done = ssh("hostsh", given="echo a b | awk '{ print $2 }'; type -p systemctl; exit 3\n")
    assert (done.returncode, done.stdout) == (3, "b\n/usr/bin/systemctl\n")


def test_read_only_leaves_nothing_to_write(ssh: Ssh) -> None:
    done = ssh("hostsh --read-only", given="touch /var/x /run/x /tmp/x; mount | grep '(rw'\n")
    assert (done.stdout, done.stderr.count("Read-only file system")) == ("", 3)


def test_the_journal_and_systemd_are_the_hosts(ssh: Ssh) -> None:
    assert "Stand-in for kubelet" in ssh("journalctl -u kubelet --no-pager").stdout
    assert ssh("systemctl is-active kubelet").stdout == "active\n"
    ssh("logger -t of-the-container hello")
    assert "hello" in ssh("hostsh journalctl -t of-the-container --no-pager").stdout


def test_sudo_leaves_a_record_in_the_hosts_journal(ssh: Ssh) -> None:
    ssh("hostsh true")
    assert "COMMAND=/usr/bin/hostsh true" in ssh("journalctl -t sudo --no-pager").stdout


def test_the_host_knows_a_session_by_its_key_and_its_login_uid(ssh: Ssh) -> None:
    done = ssh("hostsh cat /proc/self/loginuid; hostsh cat /proc/self/sessionid; sudo id")
    assert re.match(rf"{UIDS[0]}(?!{2**32 - 1})\d+uid=0", done.stdout), done.stdout
    told = ssh("journalctl -t hatchway --no-pager").stdout
    for deed in ("hostsh", "sudo"):
        assert re.search(rf"{deed} by SHA256:\S{{43}} from 10\.", told), told


def test_hostps_shows_this_very_container(ssh: Ssh) -> None:
    (row,) = json.loads(ssh("hostps --json").stdout)
    assert (row["id"], row["state"]) == ("door", "running")
    assert "door" in ssh("hostps").stdout


def _start() -> list[str]:
    namespaces = [f"--with-ns={kind}:/proc/1/ns/{kind}" for kind in NAMESPACES]
    mounts = [
        f"--mount=type=bind,src={source},dst={target},options={options}"
        for target, (source, options) in MOUNTS.items()
    ]
    rights = ["--privileged", "--allow-new-privs", "--net-host"]
    image = f"{build_image.NAME}:{build_image.version()}"
    return ["ctr", "run", "--detach", *rights, *namespaces, *mounts, image, "door"]


def _wait_until_open(machine: Machine) -> None:
    end, phase = time.monotonic() + 120, ""
    while time.monotonic() < end and phase not in ("open", "failed"):
        with contextlib.suppress(FileNotFoundError):
            phase = json.loads(machine.read(spec.PHASE_FILE))["phase"]
        time.sleep(0.5)
    assert phase == "open", machine.read(spec.LOG_FILE).decode()
