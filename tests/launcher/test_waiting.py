# SPDX-License-Identifier: Apache-2.0
"""What is said of a container that ended before its door was open."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from launcher.admin import waiting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A directory on a file system that has room for nothing more."""
    size = ("-o", "size=128k")
    subprocess.run(("mount", "-t", "tmpfs", *size, "tmpfs", str(tmp_path)), check=True)
    (tmp_path / "file").write_bytes(bytes(112 * 1024))
    yield tmp_path
    subprocess.run(("umount", str(tmp_path)), check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_a_file_system_that_is_full_is_what_ended_it(
    full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PLACES", (str(full),))
    error = waiting.died()
    assert (error.code, str(full) in error.message) == ("host.disk-full", True)
