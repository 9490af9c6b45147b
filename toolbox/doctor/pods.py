# SPDX-License-Identifier: Apache-2.0
"""Containers of pods that restart, by the logs that kubelet keeps: no runtime is asked.

/var/log/pods/NAMESPACE_POD_UID/CONTAINER/N.log: N is how often it was restarted.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from toolbox.doctor.diagnosis import Diagnosis, count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PLACE: Final = Path("/var/log/pods")
_WARN: Final = 5
_RECENT: Final = 24 * 3600.0
_SHOWN: Final = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Container:
    """`last` is when its newest log was written to, in seconds since the epoch."""

    pod: str
    name: str
    restarts: int
    last: float


def read(place: Path = PLACE) -> tuple[Container, ...]:
    found: dict[tuple[str, str], Container] = {}
    for log in place.glob("*/*/*.log"):
        if not log.stem.isdigit():
            continue
        namespace, _, pod = log.parent.parent.name.partition("_")
        pod = f"{namespace}/{pod.rpartition('_')[0] or pod}"
        key = (log.parent.parent.name, log.parent.name)
        try:
            container = Container(pod, log.parent.name, int(log.stem), log.stat().st_mtime)
        except OSError:
            continue
        if key not in found or found[key].restarts < container.restarts:
            found[key] = container
    return tuple(found.values())


def check(containers: Sequence[Container], now: float | None = None) -> Iterator[Diagnosis]:
    now = time.time() if now is None else now
    restless = sorted(
        (each for each in containers if each.restarts >= _WARN and now - each.last < _RECENT),
        key=lambda each: -each.restarts,
    )
    if restless:
        yield Diagnosis(
            "pods.restarts",
            "warning",
            f"{count(len(restless), 'container')} of pods restarted again and again",
            tuple(f"{c.pod}/{c.name}: {c.restarts} restarts" for c in restless[:_SHOWN]),
            "Their last log before the restart is beside the newest one, in /var/log/pods.",
        )
