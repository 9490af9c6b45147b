# SPDX-License-Identifier: Apache-2.0
"""The whole door on the reference host as a pytest fixture.

Asked for with `pytest_plugins = ["tests.refhost.door_fixture"]`: all modules of a run share one
machine, which has the bundle in its /opt, and one registry, which has the admin image.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.refhost.door import HostDoor
from tests.refhost.machine import Machine
from tests.refhost.recipe import PROJECT
from tests.refhost.registry import registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def program() -> Path:
    """The bundle, built when what it is made of has changed."""
    argv = (sys.executable, str(PROJECT / "tools" / "build_bundle.py"))
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return PROJECT / "dist" / "hatchway"


@pytest.fixture(scope="session")
def node(
    admin_archive: Path, program: Path, ssh_key: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HostDoor]:
    """A reference host with the program in its /opt, and settings that lead to the registry.

    Its kernel has AppArmor on, as several of these systems have, and no profile loaded.
    """
    files, words = {"/opt/hatchway": program}, ("lsm=yama,apparmor",)
    with registry() as source, Machine(files=files, cmdline=words) as machine:
        machine.write("/etc/hatchway/config.toml", source.settings())
        yield HostDoor(machine, source, ssh_key, tmp_path_factory.mktemp("client"))
