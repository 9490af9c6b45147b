# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.admin_image.door import IMAGE, Door, podman
from tests.admin_image.stand_in import StandIn, stand_in
from tools import build_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def image() -> str:
    """The image, built when its inputs changed."""
    if os.geteuid() or not shutil.which("podman"):
        pytest.skip("needs root and podman")
    assert build_image.main([]) == 0
    return IMAGE


@pytest.fixture(scope="session")
def busybox(image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's static busybox."""
    path = tmp_path_factory.mktemp("busybox") / "busybox"
    container = podman("create", image).split()[-1]
    podman("cp", f"{container}:/usr/bin/busybox", str(path))
    podman("rm", container)
    return path


@pytest.fixture(scope="module")
def inner_host(busybox: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with stand_in(tmp_path_factory.mktemp("host") / "root", busybox=busybox) as host:
        yield host


@pytest.fixture(scope="module")
def door(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """An open door that the tests of a module share and leave open."""
    with Door(tmp_path_factory.mktemp("door")) as door:
        assert door.phase().phase == "open", door.logs()
        yield door


@pytest.fixture(scope="module")
def entrance(
    image: str, inner_host: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    """A door into the stand-in: `hostsh` enters that, never the machine under the tests."""
    door = Door(tmp_path_factory.mktemp("entrance"))
    door.options = (f"--pid=ns:/proc/{inner_host.pid}/ns/pid",)
    door.host = inner_host.root
    with door:
        assert door.phase().phase == "open", door.logs()
        yield door
