# SPDX-License-Identifier: Apache-2.0
"""The command beside a target: found, given its environment, and become."""

from __future__ import annotations

import errno
import os

from admin_image import search
from admin_image.errors import JoinError

OURS = 125
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def execute(command: list[str], environment: dict[str, str], directory: str) -> int:
    """Become the command; returns 125, 126 or 127 when it cannot be run."""
    try:
        os.chdir(directory)
    except OSError as error:
        return fail(JoinError("target.failed", f"cannot work in {directory}: {error.strerror}"))
    met, there = search.become(command, environment)
    if met != errno.ENOENT:
        say(f"cannot execute {there}: {os.strerror(met)}")
        return search.NOT_EXECUTABLE
    if there:
        say(f"{there} is there, but its interpreter or loader is not")
    else:
        say(f"{command[0]}: not found")
    return search.NOT_FOUND


def fail(error: JoinError) -> int:
    say(f"{error.message} [{error.code}]")
    if error.hint:
        os.write(2, f"  hint: {error.hint}\n".encode("utf-8", "surrogateescape"))
    return OURS


def say(message: str) -> None:
    # Not print: its first call may import codecs, which no longer can be found.
    os.write(2, f"hatchway: {message}\n".encode("utf-8", "surrogateescape"))
