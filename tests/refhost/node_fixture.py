# SPDX-License-Identifier: Apache-2.0
"""User data on the reference host as a pytest fixture.

Asked for with `pytest_plugins = ["tests.refhost.node_fixture"]`: all modules of a run share one
machine, which has the program and both images, three empty disks, and metadata services.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.refhost import clouds
from tests.refhost.machine import Machine
from tests.refhost.node import HATCHWAY, Node
from tests.refhost.recipe import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGES = PROJECT / ".cache" / "images"
# /dev/vdc, /dev/vdd and /dev/vde. XFS is not made below 300 MiB.
DISKS = ("256M", "512M", "1G")


@pytest.fixture(scope="session")
def bare_node(admin_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A host without any settings, whose services have nothing to say."""
    for tool in (("build_image.py", "bootstrap"), ("build_bundle.py",)):
        argv = (sys.executable, str(PROJECT / "tools" / tool[0]), *tool[1:])
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    brought, said = tmp_path_factory.mktemp("images"), tmp_path_factory.mktemp("services")
    archives = (admin_archive, IMAGES / "hatchway-bootstrap.tar")
    for archive in archives:
        (brought / archive.name).hardlink_to(archive)
    files = {"/opt/hatchway": PROJECT / "dist" / "hatchway", "/opt/images": brought}
    cards = clouds.services(said)
    with Machine(files=files, disks=DISKS, qemu_args=cards, started=False) as machine:
        node = Node(machine, said)
        node.give(None, instance="i-none")
        machine.boot()
        machine.wait_until_up()
        for archive in archives:
            machine.run((HATCHWAY, "image", "load", f"/opt/images/{archive.name}"), timeout=300)
        machine.run(("mkdir", "-p", "/etc/hatchway", "/opt/data"))
        machine.run((HATCHWAY, "install"))
        yield node
