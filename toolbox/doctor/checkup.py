# SPDX-License-Identifier: Apache-2.0
"""The whole checkup: all facts read once, each judged by its own noun."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from launcher import apart, interrupt
from launcher.errors import HatchwayError
from toolbox.doctor import (
    boot,
    certificates,
    clock,
    disks,
    kernel_log,
    limits,
    names,
    own,
    pods,
    pressure,
    processes,
    static_pods,
    units,
)  # fmt: skip
from toolbox.doctor.diagnosis import SEVERITIES, Diagnosis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# Seconds: the longest that one noun's facts may take, and that all may.
_MOST: Final = 30.0
MOST_OF_ALL: Final = 60.0


class Check(NamedTuple):
    """How a noun's facts are read, and how they are judged."""

    read: Callable[[], Any]
    judge: Callable[[Any], Iterator[Diagnosis]]


CHECKS: Final[dict[str, Check]] = {
    "units": Check(units.read, units.check),
    "boot": Check(boot.read, boot.check),
    "disks": Check(disks.read, disks.check),
    "kernel": Check(kernel_log.read, kernel_log.check),
    "pressure": Check(pressure.read, pressure.check),
    "processes": Check(processes.read, processes.check),
    "limits": Check(limits.read, limits.check),
    "certificates": Check(certificates.read, certificates.check),
    "clock": Check(clock.read, clock.check),
    "names": Check(names.read, names.check),
    "pods": Check(pods.read, pods.check),
    "static pods": Check(static_pods.read, static_pods.check),
    "hatchway": Check(own.read, own.check),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Checkup:
    """`facts` by the names of CHECKS; `gaps` says why one could not be read."""

    facts: Mapping[str, Any]
    findings: tuple[Diagnosis, ...]
    gaps: Mapping[str, str]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The documented JSON form."""
        return {
            "findings": [finding.as_json() for finding in self.findings],
            "checked": [name for name in CHECKS if name in self.facts],
            "gaps": dict(self.gaps),
            "seconds": round(self.seconds, 2),
        }

    @property
    def healthy(self) -> bool:
        """Nothing is worse than worth knowing."""
        return all(finding.severity == "notice" for finding in self.findings)


def examine(checks: Mapping[str, Check] = CHECKS, seconds: float = MOST_OF_ALL) -> Checkup:
    """Read and judge within `seconds`; what cannot be read is a gap and hides nothing else."""
    began = time.monotonic()
    facts: dict[str, Any] = {}
    gaps: dict[str, str] = {}
    findings: list[Diagnosis] = []
    for name, check in checks.items():
        interrupt.check()
        left = began + seconds - time.monotonic()
        try:
            facts[name] = apart.answer(check.read, min(_MOST, left))
            findings += check.judge(facts[name])
        except (OSError, ValueError, RuntimeError, HatchwayError) as error:
            gaps[name] = str(error)
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Checkup(facts, tuple(findings), gaps, time.monotonic() - began)
