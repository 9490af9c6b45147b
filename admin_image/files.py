# SPDX-License-Identifier: Apache-2.0
"""Files that a reader never sees half-written, not even after a power cut."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_atomically(path: str, text: str, *, mode: int = 0o644) -> None:
    """Replace `path` with `text`: beside it, to the disk, then by rename."""
    temporary = f"{path}.{os.getpid()}.new"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            # The umask of whoever started the container must not decide who may read this.
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def read_text(path: str, *, otherwise: str = "") -> str:
    """Read a file that may be missing or unreadable."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return otherwise
