# SPDX-License-Identifier: Apache-2.0
"""Pressure (PSI) and memory: whether work waits for CPU, memory or disks."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Final

from toolbox.doctor.diagnosis import Diagnosis
from toolbox.doctor.disks import human

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Percent of the last minute in which some task waited: warning, critical.
_LIMITS: Final = {"cpu": (60.0, 90.0), "memory": (10.0, 40.0), "io": (40.0, 80.0)}
_ADVICE: Final = {
    "cpu": "`ps` by CPU shows who takes it; limits of cgroups throttle as well.",
    "memory": "Find what grows, by `memory.current` of the cgroups; the kernel kills next.",
    "io": "`/proc/diskstats` and the processes in state D show which disk.",
}
_SCARCE: Final = 0.05  # of all memory


@dataclasses.dataclass(frozen=True, slots=True)
class Pressure:
    """`stalls` are percent of the last 60 s by resource: (some, full); memory in bytes."""

    stalls: Mapping[str, tuple[float, float]]
    memory: int
    available: int


def read() -> Pressure:
    """A kernel without PSI has no stalls; `/proc/meminfo` is always there."""
    stalls = {}
    for resource in _LIMITS:
        with contextlib.suppress(OSError):  # also EOPNOTSUPP: built in, switched off
            stalls[resource] = parse_stall(Path("/proc/pressure", resource).read_text())
    memory = parse_memory(Path("/proc/meminfo").read_text())
    return Pressure(stalls, memory.get("MemTotal", 0), memory.get("MemAvailable", 0))


def parse_stall(text: str) -> tuple[float, float]:
    """`some avg10=0.00 avg60=1.50 ...` and the same of `full`."""
    found = {"some": 0.0, "full": 0.0}
    for line in text.splitlines():
        kind, *fields = line.split()
        pairs = dict(field.partition("=")[::2] for field in fields)
        found[kind] = float(pairs.get("avg60", "0"))
    return found["some"], found["full"]


def parse_memory(text: str) -> dict[str, int]:
    """Bytes by name, of /proc/meminfo."""
    lines = (line.replace(":", " ").split() for line in text.splitlines())
    return {words[0]: int(words[1]) * 1024 for words in lines if len(words) > 1}


def check(pressure: Pressure) -> Iterator[Diagnosis]:
    for resource, (some, full) in pressure.stalls.items():
        warning, critical = _LIMITS[resource]
        if some >= warning:
            yield Diagnosis(
                f"pressure.{resource}",
                "critical" if some >= critical else "warning",
                f"work waits for {resource}: {some:.0f} % of the last minute",
                (f"{resource}: some {some:.1f} %, full {full:.1f} %",),
                _ADVICE[resource],
            )
    if pressure.memory and pressure.available < pressure.memory * _SCARCE:
        yield Diagnosis(
            "pressure.scarce-memory",
            "warning",
            f"{human(pressure.available)} of memory are left",
            (f"{human(pressure.available)} of {human(pressure.memory)} available",),
            _ADVICE["memory"],
        )
