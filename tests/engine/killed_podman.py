# SPDX-License-Identifier: Apache-2.0
"""podmans that are killed as they make a container, each at the moment that leaves most."""

from __future__ import annotations

import contextlib
import os
import subprocess

from launcher import proc
from launcher.settings import DEFAULT_IMAGE
from tools import build_image

TRIES = 200


def leave_name(name: str) -> None:
    """Kill it between its two notes of a new container: the storage's, then its own."""
    after = 0.05  # seconds; each try comes closer to the moment
    for _ in range(TRIES):
        _work_for(after, "create", "--name", name, DEFAULT_IMAGE)
        if knows(name):
            subprocess.run(("podman", "rm", name), env=_environment(), check=True)
            after *= 0.92
        elif knows("--external", name):
            return
        else:
            after *= 1.1
    raise AssertionError("podman was never killed at the right moment")


def leave_monitor(name: str) -> None:
    """Kill it between its monitor's start and its own note of it, which `podman rm` relies on."""
    after = 0.1
    for _ in range(TRIES):
        _work_for(after, "run", "--detach", "--name", name, DEFAULT_IMAGE)
        if not monitored(name):
            after *= 1.1
        elif _state(name) == "created":
            return
        else:
            after *= 0.92
        subprocess.run(("podman", "rm", "--force", name), env=_environment(), check=False)
    raise AssertionError("podman was never killed at the right moment")


def monitored(name: str) -> bool:
    """Whether a monitor has that name among its arguments."""
    return any(name in proc.arguments(pid) for pid in proc.called("conmon"))


def _state(name: str) -> str:
    argv = ("podman", "inspect", "--format", "{{.State.Status}}", name)
    found = subprocess.run(argv, env=_environment(), check=False, capture_output=True, text=True)
    return found.stdout.strip()


def knows(*what: str) -> bool:
    argv = ("podman", "container", "exists", *what)
    status = subprocess.run(argv, env=_environment(), check=False).returncode
    assert status in (0, 1)
    return status == 0


def _work_for(seconds: float, *work: str) -> None:
    argv = ("podman", *work)
    with subprocess.Popen(argv, env=_environment(), stdout=subprocess.DEVNULL) as working:
        with contextlib.suppress(subprocess.TimeoutExpired):
            working.wait(seconds)
        working.kill()


def _environment() -> dict[str, str]:
    return {**os.environ, "CONTAINERS_CONF": str(build_image.CACHE / "containers.conf")}
