# SPDX-License-Identifier: Apache-2.0
"""Whether a container met its memory limit, when it is gone and its engine says nothing more."""

from __future__ import annotations

import os
import time

from hostview import oom
from launcher import cgroups


def reason(container: str, since: float, *, besides: str = "", memory: int = 0) -> str:
    """A sentence, or nothing where the limit had no part in it.

    `container` is what the path of its memory group holds: the id, or where it has none the name;
    `since` is when it began, in seconds since the epoch, for a name may have been another's.
    What was killed in a group below `besides` does not count. `memory` is the limit in bytes.
    """
    if not (names := _killed(container, since, besides)):
        return ""
    size = f" of {memory >> 20} MiB" if memory else ""
    return f"memory limit{size}: the kernel killed {', '.join(names)}"


def _killed(container: str, since: float, besides: str) -> list[str]:
    if not container:
        return []
    began = time.monotonic() - (time.time() - since)
    try:
        log = oom.open_log()
    except OSError:
        return []
    try:
        kills = oom.kills(log)
    finally:
        os.close(log)
    counted = (
        kill.name
        for kill in kills
        if kill.seconds >= began and cgroups.is_of(kill.group, container)
        if not besides or besides not in kill.group
    )
    return list(dict.fromkeys(counted))
