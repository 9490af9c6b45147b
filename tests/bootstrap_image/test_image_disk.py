# SPDX-License-Identifier: Apache-2.0
"""The real image with a real disk: a loop device over a file of the test."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bootstrap_image.spec import Exit, Job, Mode, Status
from tests.bootstrap_image.container import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.engine

# What disks take: the nodes, the kernel's view of them, and leave to mount and to resize ext4.
OPTIONS = (
    "--cap-add=SYS_ADMIN",
    "--cap-add=SYS_RESOURCE",
    "--volume=/dev:/dev",
    "--device-cgroup-rule=b 7:* rwm",
    "--security-opt=unmask=ALL",
)
CAP_SYS_RESOURCE = 24  # linux/capability.h


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[str]:
    """A loop device of 600 MiB."""
    (tmp_path / "disk").touch()
    grow(tmp_path, "", 600)
    try:
        made = subprocess.run(
            ("losetup", "--find", "--show", tmp_path / "disk"),
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no loop devices here")
    yield made.stdout.strip()
    subprocess.run(("losetup", "--detach", made.stdout.strip()), check=True)


def grow(place: Path, disk: str, mebibytes: int) -> None:
    subprocess.run(("truncate", f"--size={mebibytes}M", place / "disk"), check=True)
    if disk:
        subprocess.run(("losetup", "--set-capacity", disk), check=True)


def lines(machine: Machine, text: str) -> list[str]:
    """Run a cloud-config after a script that mounts, as systemd would have; what runcmd printed."""
    mounted = "#!/bin/sh\ngrep -q /mnt/data /etc/fstab && mount /mnt/data || true\n"
    machine.write(
        Job("m", "user-data/m", mode=Mode.ALWAYS, order=-1),
        Job("a", "user-data/a", mode=Mode.ALWAYS),
        m=mounted,
        a="#cloud-config\n" + text,
    )
    assert machine.run() == Exit.DONE, machine.output
    return re.findall(r"^a/runcmd: *(.*)$", machine.output, re.MULTILINE)


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_data_disk_is_made_mounted_kept_and_grown(
    image: str, tmp_path: Path, disk: str, kind: str
) -> None:
    setup = (
        f"fs_setup: [{{device: {disk}, partition: none, filesystem: {kind}, label: data}}]\n"
        f"mounts: [[{disk}, /mnt/data]]\n"
    )
    look = "runcmd: [ls /mnt/data, df -m --output=size /mnt/data]\n"
    with Machine(tmp_path / "host", *OPTIONS) as machine:
        before = lines(machine, f"{setup}{look}")
        assert "x-hatchway" in (tmp_path / "host/etc/fstab").read_text()
        grow(tmp_path, disk, 900)
        # Other settings, so that fs_setup runs again: it must find what it made, and leave it.
        lines(machine, setup.replace("label: data", "label: data, overwrite: true") + look)
        assert f"{disk} has its {kind} already" in machine.output
        if kind == "ext4" and not _may_resize():
            pytest.skip("without CAP_SYS_RESOURCE here no container can grow ext4")
        after = lines(machine, f"growpart: {{devices: [/mnt/data]}}\n{look}")
        assert int(after[-1]) > int(before[-1]) + 250
        # Grown already: no failure, and nothing changes.
        assert lines(machine, f"growpart: {{devices: [/mnt/data]}}\n{look}") == after


def test_xfs_is_made_so_that_the_hosts_older_kernel_mounts_it(image: str, tmp_path: Path) -> None:
    script = """#!/bin/sh
        set -e
        mkdir /tmp/bin
        printf '#!/bin/sh\\necho 5.10.0-30-amd64\\n' > /tmp/bin/uname
        chmod 755 /tmp/bin/uname
        PATH=/tmp/bin:$PATH
        truncate -s 400M /tmp/disk
        mkfs.xfs -q -L data -n ftype=1 /tmp/disk
        xfs_db -r -c version /tmp/disk
        mkfs.xfs -q -f -m crc=1,bigtime=1 /tmp/disk
        xfs_db -r -c version /tmp/disk
    """
    with Machine(tmp_path) as machine:
        record = machine.once(script)
        assert record.status == Status.SUCCEEDED, machine.output
        plain, asked = (line for line in record.last_lines if line.startswith("versionnum"))
    assert ("REFLINK" in plain, "BIGTIME" in plain, "NREXT64" in plain) == (True, False, False)
    assert ("BIGTIME" in asked, "NREXT64" in asked) == (True, False)


def test_a_missing_disk_is_said(image: str, tmp_path: Path) -> None:
    with Machine(tmp_path, "--cap-add=SYS_ADMIN") as machine:
        machine.write(Job("a", "user-data/a"), a="#cloud-config\nmounts: [[/dev/vdz, /mnt/data]]\n")
        assert machine.run() == Exit.DEGRADED
        assert machine.summary().steps[0].status == Status.FAILED
        assert "is the device there?" in machine.records()[0].last_lines[-1]


def _may_resize() -> bool:
    text = Path("/proc/self/status").read_text()
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", text, re.MULTILINE)
    return bool(found and int(found[1], 16) >> CAP_SYS_RESOURCE & 1)
