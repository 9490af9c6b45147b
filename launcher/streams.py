# SPDX-License-Identifier: Apache-2.0
"""Standard streams that the caller closed, whose reader is gone, or whose disk is full.

Whoever calls us may do any of it, and what we do for him is done all the same.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO


def complete() -> None:
    """Let a stream that the caller closed lead nowhere: a file of ours would take its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            _fill(number)
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _fill(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        # The lowest number that is free, which is this one; children are to have it as well.
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def abandon(stream: TextIO) -> None:
    """Let what a stream still holds, and all that is to come, lead nowhere.

    Python would complain at our exit otherwise, with a status of its own.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    with contextlib.suppress(OSError):
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def tell(text: str, stream: TextIO | None = None) -> None:
    """A line on standard error, or another stream, for whoever is still there to read it."""
    stream = stream or sys.stderr
    try:
        print(text, file=stream, flush=True)
    except OSError:
        abandon(stream)
