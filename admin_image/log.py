# SPDX-License-Identifier: Apache-2.0
"""The door's log, kept on the host: it is there to read when the container is gone.

Each line has the time at which it came, in UTC: sshd prints none of its own.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from admin_image.spec import LOG_FILE

SIZE_LIMIT = 1 << 20  # bytes; then it becomes the one file before


_path = ""


def redirect(path: str = LOG_FILE) -> None:
    """From here on, what we print goes to `path`; without it, where it went before."""
    global _path  # noqa: PLW0603 - one process has one standard output
    try:
        if Path(path).exists() and Path(path).stat().st_size > SIZE_LIMIT:
            Path(path).replace(f"{path}.1")
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        log = os.open(path, flags, 0o600)
    except OSError as error:
        os.write(2, f"hatchway: cannot keep a log at {path}: {error}\n".encode())
        return
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    _path = path


def line(text: str) -> None:
    """Add one line of our own."""
    _write([f"hatchway: {text}".encode()])


class Pipe:
    """What sshd writes into `writer` gets into the log whenever somebody calls `copy`."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.reader, False)
        self._rest = b""

    def copy(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.reader, 65536):
                *whole, self._rest = (self._rest + data).split(b"\n")
                _write(whole)


def _write(lines: list[bytes]) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()).encode()
    text = b"".join(b"%s %s\n" % (stamp, each.rstrip()) for each in lines)
    with contextlib.suppress(OSError):  # a full disk must not close the door
        os.write(1, text)
        # Whoever knocks at an open port must not fill the host's disk with it.
        if _path and os.fstat(1).st_size > SIZE_LIMIT:
            redirect(_path)
