# SPDX-License-Identifier: Apache-2.0
"""The two forms of `hatchway` that are measured: of the environment, and the bundle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PYTHON: Final = str(ROOT / ".venv" / "bin" / "python")
BUNDLE: Final = ROOT / "dist" / "hatchway"
INSTALLED: Final = "/opt/hatchway/hatchway"  # the one place where a bundle runs
_MARK: Final = "BENCH_NAMESPACE"  # HATCHWAY_* are settings
_MOUNT: Final = """
mount -t tmpfs none /opt && mkdir /opt/hatchway && mount --bind "$1" /opt/hatchway || exit 99
shift; exec "$@"
"""


def found() -> dict[str, str]:
    """The forms that are here, by what they are called in the table."""
    forms = {"hatchway (venv)": str(ROOT / ".venv" / "bin" / "hatchway")}
    if Path(INSTALLED).exists():
        forms["hatchway (bundle)"] = INSTALLED
    return forms


def environment() -> dict[str, str]:
    """Ours, but with compiled modules for Python: without them each start compiles them anew."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**own, "PYTHONPYCACHEPREFIX": str(ROOT / ".cache" / "bench")}


def has_namespace() -> bool:
    """Whether mounts of this process are its own."""
    return _MARK in os.environ


def enter_namespace() -> None:
    """Start again where the bundle is installed, for us and our children alone."""
    if has_namespace() or not BUNDLE.exists():
        return
    argv = ("unshare", "--mount", "--propagation", "private", "sh", "-c", _MOUNT, "sh")
    again = (*argv, str(BUNDLE), sys.executable, "-m", "bench", *sys.argv[1:])
    done = subprocess.run(again, check=False, cwd=ROOT, env={**os.environ, _MARK: "1"})
    sys.exit(done.returncode)
