# SPDX-License-Identifier: Apache-2.0
"""The door's log, kept on the host: it is there to read when the container is gone."""

from __future__ import annotations

import os
from pathlib import Path

from admin_image.spec import LOG_FILE

SIZE_LIMIT = 1 << 20  # bytes; then it becomes the one file before


def redirect(path: str = LOG_FILE) -> None:
    """From here on, what we and sshd print goes to `path`; without it, where it went before."""
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
