# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.bootstrap_image.container import IMAGE
from tests.bootstrap_image.stand_in import StandIn
from tools import build_image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def image() -> str:
    """The image, built when its inputs changed."""
    if os.geteuid() or not shutil.which("podman"):
        pytest.skip("needs root and podman")
    assert build_image.main(["bootstrap"]) == 0
    return IMAGE


@pytest.fixture
def host(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path / "root")
