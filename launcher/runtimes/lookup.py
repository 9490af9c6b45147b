# SPDX-License-Identifier: Apache-2.0
"""Why a program of an image did not start: its client says so in words alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath
from typing import Final

from launcher.errors import Exit

STEPS: Final = 4096  # more than any path has, so that links in a circle come to an end


def blame(root: Path, program: str, search: str) -> int:
    """What a shell would say of `program` below `root`: 127, 126, or 125 where it could be run.

    `search` is the PATH in which a name without `/` is looked for.
    """
    places = [program] if "/" in program else [f"{each}/{program}" for each in search.split(":")]
    found = [mode for place in places if (mode := _mode(root, place)) is not None]
    if not found:
        return Exit.NOT_FOUND
    runs = any(stat.S_ISREG(mode) and mode & 0o111 for mode in found)
    return Exit.OURS if runs else Exit.CANNOT_INVOKE


def _mode(root: Path, place: str) -> int | None:
    """The mode of what `place` leads to, with links followed within `root` alone."""
    seen = PurePosixPath("/")
    rest = list(PurePosixPath("/", place).parts[1:])
    for _ in range(STEPS):
        if not rest:
            break
        part = rest.pop(0)
        if part == "..":
            seen = seen.parent
            continue
        here = root / seen.relative_to("/") / part
        try:
            if not here.is_symlink():
                seen /= part
                continue
            target = PurePosixPath(os.readlink(here))  # noqa: PTH115 - it may lead anywhere
        except OSError:
            return None
        rest[:0] = target.parts[1:] if target.is_absolute() else target.parts
        if target.is_absolute():
            seen = PurePosixPath("/")
    else:
        return None
    try:
        return (root / seen.relative_to("/")).lstat().st_mode
    except OSError:
        return None
