# SPDX-License-Identifier: Apache-2.0
"""Engines that hang: they are there, take connections, and answer nothing until they go on."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from launcher import proc

if TYPE_CHECKING:
    from collections.abc import Iterator

# podman has no daemon; each of its commands takes this lock first (libpod's Runtime).
PODMAN_LOCK = Path("/run/libpod/alive.lck")


@contextlib.contextmanager
def hanging(engine: str, flags: tuple[str, ...]) -> Iterator[None]:
    """Within, the engine answers nobody; afterwards it goes on where it was."""
    if engine == "podman":
        with PODMAN_LOCK.open("r+") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            yield
        return
    daemon = _daemon(engine, Path(flags[-1]))
    os.kill(daemon, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(daemon, signal.SIGCONT)


def _daemon(engine: str, socket: Path) -> int:
    if engine == "docker":
        return int(socket.with_name("pid").read_text())
    return next(pid for pid in proc.called("containerd") if str(socket) in proc.arguments(pid))
