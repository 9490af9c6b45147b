# SPDX-License-Identifier: Apache-2.0
"""Real mounts of real disks: loop devices, in a mount namespace that stands for the container."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.bootstrap_image import namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = namespace.root

ROOT = Path(__file__).resolve().parents[2]
LABEL = f"hatch-{os.getpid()}"
# $1/mnt is the host's /mnt; ours is a shared bind of it, as the launcher makes it.
CONTAINER = """
mkdir -p "$1/etc" "$1/mnt"
mount --bind "$1/etc" /etc
mount -t tmpfs none /run
mount --bind "$1/mnt" "$1/mnt"
mount --make-shared "$1/mnt"
mount --bind "$1/mnt" /mnt
"""
_MAIN = """
import json, os, sys
from bootstrap_image.host import Host
from bootstrap_image.modules import BY_NAME
from bootstrap_image.plan import plan
for step in plan(b"#cloud-config\\n" + sys.argv[1].encode()).steps:
    given = json.loads(step.content)
    BY_NAME[given["module"]].act(given["params"], Host())
sys.stdout.flush()
os.execvp("sh", ("sh", "-euc", sys.argv[2], "sh", sys.argv[3]))
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[str]:
    """A loop device with ext4 and a label."""
    image = tmp_path / "disk"
    image.touch()
    os.truncate(image, 16 << 20)
    subprocess.run(("mkfs.ext4", "-q", "-L", LABEL, image), check=True)
    try:
        made = subprocess.run(
            ("losetup", "--find", "--show", image), capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no loop devices here")
    yield made.stdout.strip()
    subprocess.run(("losetup", "--detach", made.stdout.strip()), check=True)


def container(place: Path, config: str, look: str, *, there: str = "") -> str:
    """Do what a cloud-config asks for, between two lines of shell; all that is said."""
    before = namespace.before(f"{CONTAINER}{there}", str(place))
    done = subprocess.run(
        (*before, sys.executable, "-c", _MAIN, config, look, str(place)),
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    return done.stdout


def test_a_disk_is_found_by_its_label_whatever_is_mounted_there(tmp_path: Path, disk: str) -> None:
    config = f"mounts: [[LABEL={LABEL}, /mnt/data], [LABEL={LABEL}, /mnt/data, ext4]]"
    there = "mkdir /mnt/data; mount -t tmpfs other /mnt/data"
    look = "findmnt --noheadings --output SOURCE /mnt/data | tail -n 1"
    said = container(tmp_path, config, look, there=there).splitlines()
    assert said == ["mounted /mnt/data", "/mnt/data is mounted already", disk]


def test_a_disk_over_the_hosts_own_mnt_shows_on_the_host(tmp_path: Path, disk: str) -> None:
    config = f"mounts: [[{disk}, /mnt], [LABEL={LABEL}, /mnt, ext4]]"
    said = container(tmp_path, config, 'touch /mnt/mark; ls "$1/mnt"').splitlines()
    assert said == ["mounted /mnt", "/mnt is mounted already", "lost+found", "mark"]
    assert f"LABEL={LABEL}\t/mnt\text4\t" in (tmp_path / "etc/fstab").read_text()


def test_a_disk_that_is_not_there_is_not_taken_for_the_hosts_own_mnt(tmp_path: Path) -> None:
    said = container(tmp_path, "mounts: [[LABEL=hatch-none, /mnt, ext4]]", "true")
    assert "/mnt: nothing was mounted; is the device there?" in said
