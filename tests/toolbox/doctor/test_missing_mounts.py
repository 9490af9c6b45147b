# SPDX-License-Identifier: Apache-2.0
"""What fstab asks for against what is mounted, in a mount namespace with an fstab of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT
from toolbox.doctor import mounts

if TYPE_CHECKING:
    from pathlib import Path

READ = (
    "import json; from toolbox.doctor import disks; found = disks.read();"
    "print(json.dumps([list(each.evidence) for each in disks.check(found)"
    " if each.code == 'disks.missing-mount']))"
)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts")
def test_a_place_is_found_however_fstab_writes_it(tmp_path: Path) -> None:
    written = ("data", "data/", "/data", "./data", "link", "link/", "gone/", "lost")
    fstab = tmp_path / "fstab"
    lines = [f"none {tmp_path}/{name} tmpfs defaults 0 0" for name in written]
    fstab.write_text("\n".join(lines) + "\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    script = (
        f"mount -t tmpfs none {tmp_path}/data && mount --bind {fstab} /etc/fstab"
        f" && exec {sys.executable} -c {json.dumps(READ)}"
    )
    argv = ("unshare", "--mount", "--propagation", "private", "sh", "-c", script)
    done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, check=True)
    assert json.loads(done.stdout) == [[f"{tmp_path}/gone", f"{tmp_path}/lost"]]


def test_a_mount_point_is_known_by_its_plain_path() -> None:
    fstab = "a //mnt//data/ ext4 defaults\nb / ext4 defaults\nc /with\\040blank/ ext4 defaults\n"
    assert mounts.wanted(fstab) == ("/mnt/data", "/", "/with blank")
