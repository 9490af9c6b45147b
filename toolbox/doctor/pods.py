# SPDX-License-Identifier: Apache-2.0
"""Containers of pods that restart, by the logs that kubelet keeps: no runtime is asked.

/var/log/pods/NAMESPACE_POD_UID/CONTAINER/N.log: N is how often it was restarted.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from toolbox.doctor.diagnosis import Diagnosis, count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PLACE: Final = Path("/var/log/pods")
_WARN: Final = 5
_RECENT: Final = 24 * 3600.0
_SHOWN: Final = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Container:
    """`last` is when it was restarted last, as far as its logs tell, since the epoch."""

    pod: str
    name: str
    restarts: int
    last: float


def read(place: Path = PLACE) -> tuple[Container, ...]:
    logs: dict[Path, dict[int, float]] = {}
    for log in place.glob("*/*/*.log"):
        with contextlib.suppress(OSError):
            if log.stem.isdigit():
                logs.setdefault(log.parent, {})[int(log.stem)] = log.stat().st_mtime
    return tuple(_container(place, times) for place, times in logs.items())


def _container(place: Path, times: Mapping[int, float]) -> Container:
    namespace, _, pod = place.parent.name.partition("_")
    newest = max(times)
    # The log before the newest one ended when the container did.
    last = times.get(newest - 1, times[newest])
    return Container(f"{namespace}/{pod.rpartition('_')[0] or pod}", place.name, newest, last)


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
