# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import shutil

import pytest

from tests.bootstrap_image.container import IMAGE
from tools import build_image


@pytest.fixture(scope="session")
def image() -> str:
    """The image, built when its inputs changed."""
    if os.geteuid() or not shutil.which("podman"):
        pytest.skip("needs root and podman")
    assert build_image.main(["bootstrap"]) == 0
    return IMAGE
