# SPDX-License-Identifier: Apache-2.0
"""A command is looked for as execvp(3) does, which does not tell what is lacking from what fails.

Few imports on purpose: this runs before each command on a host in trouble.
"""

from __future__ import annotations

import errno
import os

# What a shell has for a program that is there and cannot be executed, and for one that is not.
NOT_EXECUTABLE, NOT_FOUND = 126, 127


def become(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Become the first program of that name in the environment's PATH.

    Returns only when none can be executed: errno, and where the program is. ENOENT with a place
    is a program whose interpreter or loader is missing; without one, there is no such program.
    """
    name = command[0]
    met, there = errno.ENOENT, ""
    places = [name] if "/" in name else _places(name, environment)
    for place in places if name else []:  # execve(2) is content with an empty one, Python is not
        try:
            os.execve(place, command, environment)  # noqa: S606 - it is the point
        except OSError as error:
            if met == errno.ENOENT and error.errno not in (errno.ENOENT, errno.ENOTDIR):
                met, there = error.errno or errno.EACCES, place
            elif not there and os.path.lexists(place):
                there = place
    return met, there


def _places(name: str, environment: dict[str, str]) -> list[str]:
    """An empty directory in PATH is the working one."""
    return [f"{at}/{name}" if at else name for at in environment["PATH"].split(":")]
