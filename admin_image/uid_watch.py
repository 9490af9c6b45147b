# SPDX-License-Identifier: Apache-2.0
"""Processes outside of the door that have its account's number.

There was none when the door opened. One that appears may look into the sessions and write as they
do: people are told, and what becomes of it is theirs to decide, for it may be a workload.
"""

from __future__ import annotations

import os
import time

from admin_image import processes
from admin_image.files import read_text
from hostview import ids

# Seconds between two looks at all processes, which take some 10 ms for a thousand of them.
PAUSE = 5.0


class Watch:
    """What is new since the last look, at most every `PAUSE` seconds; `uid` 0 looks at nothing."""

    def __init__(self, uid: int = 0) -> None:
        self.uid = uid
        self._next = 0.0
        self._told = set[int]()

    def look(self) -> list[str]:
        """A sentence for each process that was not told of before."""
        if not self.uid or time.monotonic() < self._next:
            return []
        self._next = time.monotonic() + PAUSE
        strangers = [pid for pid in ids.holders(self.uid) if not _is_ours(pid)]
        news = [pid for pid in sorted(strangers) if pid not in self._told]
        self._told.update(news)
        return [self._sentence(pid) for pid in news]

    def _sentence(self, pid: int) -> str:
        name = ascii(read_text(f"/proc/{pid}/comm").strip())[1:-1]
        return (
            f"process {pid} ({name}) is outside of the door and has its account's number "
            f"{self.uid}: it may trace sessions; find out whose it is, or restart the door"
        )


def _is_ours(pid: int) -> bool:
    """Whether it is of the container, or was started by a session.

    A process that has ended meanwhile is nobody's.
    """
    try:
        if os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt"):  # noqa: PTH115
            return True
    except OSError:
        return True
    return pid in processes.descendants()
