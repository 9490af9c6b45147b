# SPDX-License-Identifier: Apache-2.0
"""A process that has nothing more to do while a library is being loaded in the background."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = "import sys; from launcher import probe; probe.preload(); sys.exit(7)"
# Python aborts in the middle of a library in Rust: see what is left of one that takes its time.
SLOW = "import time, pathlib; time.sleep(0.5); pathlib.Path(__file__).with_name('done').touch()"


def test_its_status_is_its_own_and_the_library_was_loaded_whole(tmp_path: Path) -> None:
    (tmp_path / "paramiko").mkdir()
    (tmp_path / "paramiko" / "__init__.py").write_text(SLOW)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run((sys.executable, "-c", SCRIPT), env=environment, check=False, timeout=60)
    assert done.returncode == 7
    assert (tmp_path / "paramiko" / "done").exists()
