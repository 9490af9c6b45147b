# SPDX-License-Identifier: Apache-2.0
"""Headless Chromium: what a page is once a browser has read it."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# Root has no sandbox; the machine may have no GPU, no D-Bus, and /dev/shm may be small.
_FLAGS: Final = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--hide-scrollbars", "--no-first-run", "--disable-background-networking"),
)


def _run(directory: Path, page: Path, *flags: str) -> str:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on PATH: tools/setup.sh installs it")
    # Whatever the page asks for ends at a proxy that is not there.
    offline = ("--proxy-server=127.0.0.1:1", f"--user-data-dir={directory / 'profile'}")
    argv = (program, *_FLAGS, *offline, *flags, page.as_uri())
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=90)
    return done.stdout + done.stderr


def dom(directory: Path, page: Path) -> str:
    """The document after loading, serialised."""
    return _run(directory, page, "--dump-dom")


def console(directory: Path, page: Path) -> str:
    """What the browser complains of."""
    said = _run(directory, page, "--enable-logging=stderr", "--v=0", "--dump-dom")
    return "\n".join(line for line in said.splitlines() if "CONSOLE" in line)


def screenshot(directory: Path, page: Path, target: Path, height: int = 2400) -> None:
    _run(directory, page, f"--screenshot={target}", f"--window-size=1200,{height}")
