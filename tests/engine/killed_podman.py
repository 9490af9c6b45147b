# SPDX-License-Identifier: Apache-2.0
"""A podman that is killed as it creates a container: the name is taken, and no container has it."""

from __future__ import annotations

import contextlib
import os
import subprocess

from launcher.settings import DEFAULT_IMAGE
from tools import build_image

TRIES = 200


def leave_name(name: str) -> None:
    """Kill it between its two notes of a new container: the storage's, then its own."""
    after = 0.05  # seconds; each try comes closer to the moment
    for _ in range(TRIES):
        _create_for(after, name)
        if knows(name):
            subprocess.run(("podman", "rm", name), env=_environment(), check=True)
            after *= 0.92
        elif knows("--external", name):
            return
        else:
            after *= 1.1
    raise AssertionError("podman was never killed at the right moment")


def knows(*what: str) -> bool:
    argv = ("podman", "container", "exists", *what)
    status = subprocess.run(argv, env=_environment(), check=False).returncode
    assert status in (0, 1)
    return status == 0


def _create_for(seconds: float, name: str) -> None:
    argv = ("podman", "create", "--name", name, DEFAULT_IMAGE)
    with subprocess.Popen(argv, env=_environment(), stdout=subprocess.DEVNULL) as create:
        with contextlib.suppress(subprocess.TimeoutExpired):
            create.wait(seconds)
        create.kill()


def _environment() -> dict[str, str]:
    return {**os.environ, "CONTAINERS_CONF": str(build_image.CACHE / "containers.conf")}
