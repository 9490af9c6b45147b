# SPDX-License-Identifier: Apache-2.0
"""Mounts whose names anybody chose, made by the real kernel: whoever reads the table takes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from hostview import mountinfo

ROOT = Path(mountinfo.__file__).parents[1]
PRELUDE = r"""
import json, os, sys
from hostview import kernel
root = sys.argv[1]
names = [f"{root}/a{c}b" for c in "\r\x0b\x0c\x1c\x85\u2028\u2029\udcff"]

def appear():
    for name in names:
        os.makedirs(name)
        kernel.mount("none", name, "tmpfs")
"""

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts are root's"),
]


def among_mounts(script: str, root: Path) -> Any:
    code = PRELUDE + textwrap.dedent(script)
    done = subprocess.run(
        ("unshare", "--mount", "--propagation=private", sys.executable, "-c", code, str(root)),
        capture_output=True, text=True, cwd=ROOT, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_facts_of_the_host_are_read(tmp_path: Path) -> None:
    found = among_mounts(
        """
        from launcher.host import Host
        before = Host.read()
        appear()
        print(json.dumps(Host.read() == before))
        """,
        tmp_path,
    )
    assert found


def test_a_toolbox_shows_what_its_engine_can_be_told(tmp_path: Path) -> None:
    found = among_mounts(
        """
        from toolbox import view
        kernel.mount("none", root, "tmpfs")
        appear()
        os.makedirs(root + "/plain")
        kernel.mount("none", root + "/plain", "tmpfs")
        print(json.dumps([mount.target for mount in view.sealed(root, "/x", "", [])]))
        """,
        tmp_path,
    )
    assert found == ["/x", "/x/plain"]


def test_the_doctor_looks_at_each_disk_and_names_it(tmp_path: Path) -> None:
    found = among_mounts(
        """
        from toolbox.doctor import disks
        appear()
        mine = [each for each in disks.read().file_systems if each.mount.place in names]
        print(json.dumps([len(mine) == len(names), [each.mount.title for each in mine]]))
        """,
        tmp_path,
    )
    assert found[0]
    assert "".join(found[1]).isprintable()


def test_user_data_finds_what_is_mounted(tmp_path: Path) -> None:
    found = among_mounts(
        """
        from bootstrap_image import devices, newmounts
        from bootstrap_image.host import Host
        new = newmounts.NewMounts()
        appear()
        there = [devices.mounted_at(Host(), name) is not None for name in names]
        print(json.dumps([there, new.broken()]))
        """,
        tmp_path,
    )
    assert found == [[True] * 8, []]
