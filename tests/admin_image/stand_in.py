# SPDX-License-Identifier: Apache-2.0
"""A host to enter that is not the machine under the tests: PID 1 of a pid namespace of its own.

Its root holds a static busybox under a few names, no shell, and mounts of its own.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

APPLETS = [
    "ls",
    "cat",
    "true",
    "false",
    "sleep",
    "id",
    "env",
    "head",
    "yes",
    "touch",
    "hostname",
    "kill",
    "pwd",
    "readlink",
    "stty",
]
# mount_setattr or not, the machine's `/` must not learn of this: all is private.
_BOOT = """
set -e
mount --make-rprivate /
mount --rbind "$1" "$1"
cd "$1"
mount -t proc proc proc; mount --rbind /dev dev
mount -t tmpfs -o nosuid,nodev tmpfs tmp; mount -t tmpfs var var
hostname stand-in
pivot_root . old
exec /boot/busybox sh -c '/boot/busybox umount -l /old; exec /usr/bin/sleep 100000'
"""


class StandIn:
    """`pid` is its PID 1 as the machine sees it."""

    def __init__(self, root: Path, pid: int) -> None:
        self.root = root
        self.pid = pid

    def path(self, name: str) -> Path:
        """A file of the host as the host sees it."""
        return Path(f"/proc/{self.pid}/root{name}")


@contextlib.contextmanager
def stand_in(root: Path, *, busybox: Path) -> Iterator[StandIn]:
    _fill(root, busybox)
    command = ("unshare", "--pid", "--fork", "--mount", "--uts", "--ipc", "--kill-child")
    process = subprocess.Popen((*command, "/bin/sh", "-c", _BOOT, "boot", str(root)))
    try:
        yield StandIn(root, _first_child(process))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)


def _fill(root: Path, busybox: Path) -> None:
    for name in ("usr/bin", "boot", "proc", "dev", "etc", "var", "run", "tmp", "root", "old"):
        (root / name).mkdir(parents=True)
    for place in ("boot", "usr/bin"):
        (root / place / "busybox").write_bytes(busybox.read_bytes())
        (root / place / "busybox").chmod(0o755)
    (root / "bin").symlink_to("usr/bin")
    for applet in APPLETS:
        (root / "usr/bin" / applet).symlink_to("busybox")
    (root / "usr/bin/data").write_text("not a program")
    (root / "usr/bin/script").write_text("#!/bin/sh\nexit 0\n")
    (root / "usr/bin/script").chmod(0o755)
    (root / "etc/os-release").write_text("ID=stand-in\n")


def _first_child(process: subprocess.Popen[bytes]) -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        for pid in children.read_text().split():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/exe").readlink().match("/usr/bin/busybox"):
                    return int(pid)
        time.sleep(0.02)
    message = "the stand-in for a host did not come up"
    raise RuntimeError(message)
