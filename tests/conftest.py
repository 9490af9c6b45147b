# SPDX-License-Identifier: Apache-2.0
"""What tests of several kinds share."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from launcher import interrupt

if TYPE_CHECKING:
    from collections.abc import Iterator

# The last is for the tests of the first two: only here can a plugin be named that has options.
pytest_plugins = ["tests.leftovers", "tests.realtime", "pytester"]

# A busy machine may stop anybody for a second: an example that was slow is no wrong one.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

ROOT = Path(__file__).resolve().parent.parent

# Whoever starts us in the background may have us ignore ctrl-C and more, and all our children with
# us; a handler of our own becomes the default one in each of them.
for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _signals_as_they_were() -> Iterator[None]:
    """A job that succeeds leaves its signals noted: its process ends then, and ours does not."""
    before = [(number, signal.getsignal(number)) for number in interrupt.SIGNALS]
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def admin_archive() -> Path:
    """The admin image as an archive, built when what it is made of has changed."""
    subprocess.run((sys.executable, str(ROOT / "tools" / "build_image.py")), check=True)
    return ROOT / ".cache" / "images" / "hatchway-admin.tar"


@pytest.fixture(scope="session")
def bootstrap_archive() -> Path:
    """The bootstrap image, likewise."""
    argv = (sys.executable, str(ROOT / "tools" / "build_image.py"), "bootstrap")
    subprocess.run(argv, check=True)
    return ROOT / ".cache" / "images" / "hatchway-bootstrap.tar"


@pytest.fixture(scope="session")
def ssh_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key; its public half is beside it."""
    key = tmp_path_factory.mktemp("ssh") / "key"
    argv = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "sre@laptop", "-f", str(key))
    subprocess.run(argv, check=True)
    return key
