# SPDX-License-Identifier: Apache-2.0
"""What a pattern matches now: files, and whatever files are in the directories that it matches."""

from __future__ import annotations

import contextlib
import glob
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST: Final = 200
_MOST_SEEN: Final = 20_000  # entries of directories: `glob /` is a slip that must come to an end


def newest(pattern: str) -> list[str]:
    """The files, the newest first and not more than `MOST`."""
    # Not Path.glob, which follows other rules than a shell: hidden files stay hidden here.
    found = glob.glob(pattern, recursive=True)  # noqa: PTH207
    directories = [path for path in found if Path(path).is_dir()]
    below = itertools.islice(_walk(directories.copy()), _MOST_SEEN)
    inside = {entry.path for entry in below if entry.is_file(follow_symlinks=False)}
    files = inside.union(found).difference(directories)
    return sorted(files, key=_modified, reverse=True)[:MOST]


def _walk(waiting: list[str]) -> Iterator[os.DirEntry[str]]:
    """Everything in these directories at any depth; a link is not followed: it may lead out."""
    seen: set[str] = set()  # `**` matches a directory and those in it
    while waiting:
        directory = waiting.pop()
        if directory in seen:
            continue
        seen.add(directory)
        with contextlib.suppress(OSError), os.scandir(directory) as entries:
            for entry in entries:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)


def _modified(path: str) -> float:
    try:
        return Path(path).lstat().st_mtime
    except OSError:
        return 0.0
