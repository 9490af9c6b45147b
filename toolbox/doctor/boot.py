# SPDX-License-Identifier: Apache-2.0
"""How the host booted: the stages, and the units that took long."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Final

from launcher import process
from toolbox.doctor.diagnosis import Diagnosis, count
from toolbox.doctor.units import TIME_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from toolbox.doctor.units import Unit

# systemd's names of the moments, by the stage that begins there. Firmware and loader count back
# from the kernel's start.
_STAGES: Final = {
    "firmware": "FirmwareTimestampMonotonic",
    "loader": "LoaderTimestampMonotonic",
    "initrd": "InitRDTimestampMonotonic",
    "userspace": "UserspaceTimestampMonotonic",
    "finish": "FinishTimestampMonotonic",
}
_LONG: Final = 300.0  # seconds
_RECENT: Final = 600.0


@dataclasses.dataclass(frozen=True, slots=True)
class Boot:
    """Stages with their length in seconds, in order; `finished` is since the kernel began."""

    stages: tuple[tuple[str, float], ...]
    finished: float
    uptime: float


def read() -> Boot:
    """The last boot; `HostError` where systemd does not answer."""
    argv = ("systemctl", "show", "--no-pager", f"--property={','.join(_STAGES.values())}")
    return parse(
        process.run(argv, timeout=TIME_LIMIT).text(), time.clock_gettime(time.CLOCK_BOOTTIME)
    )


def parse(text: str, uptime: float) -> Boot:
    moments = dict(line.partition("=")[::2] for line in text.splitlines())
    at = {stage: int(moments.get(name) or 0) / 1e6 for stage, name in _STAGES.items()}
    userspace, finish = at["userspace"], at["finish"]
    stages = [
        ("firmware", at["firmware"] - at["loader"]),
        ("loader", at["loader"]),
        ("kernel", at["initrd"] or userspace),
        ("initrd", userspace - at["initrd"] if at["initrd"] else 0.0),
        ("userspace", finish - userspace if finish else 0.0),
    ]
    return Boot(tuple((name, length) for name, length in stages if length > 0), finish, uptime)


def slowest(units: Sequence[Unit], boot: Boot, most: int = 15) -> list[Unit]:
    """The units that took longest to start while the host booted, in the order of their start."""
    end = boot.finished or boot.uptime
    started = [unit for unit in units if 0 < unit.began <= unit.ready and unit.began <= end]
    longest = sorted(started, key=lambda unit: unit.began - unit.ready)[:most]
    return sorted(
        (unit for unit in longest if unit.ready - unit.began > 0.001), key=lambda unit: unit.began
    )


def check(boot: Boot) -> Iterator[Diagnosis]:
    if not boot.finished and boot.uptime > _LONG:
        yield Diagnosis(
            "boot.unfinished",
            "warning",
            f"the boot has not finished after {boot.uptime:.0f} s",
            tuple(f"{name}: {length:.1f} s" for name, length in boot.stages),
            "`systemctl list-jobs` shows what it waits for.",
        )
    elif boot.uptime < _RECENT:
        yield Diagnosis(
            "boot.recent",
            "notice",
            f"the host booted {_minutes(boot.uptime)} ago",
            (),
            "If nobody asked for that, look at the end of the last boot: `journalctl -b -1 -e`.",
        )


def _minutes(seconds: float) -> str:
    return count(int(seconds // 60), "minute") if seconds >= 60 else "less than a minute"
