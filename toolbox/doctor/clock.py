# SPDX-License-Identifier: Apache-2.0
"""The clock: whether somebody keeps it right, and how far off it is said to be."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import time
from typing import TYPE_CHECKING, Final

from toolbox.doctor.diagnosis import Diagnosis

if TYPE_CHECKING:
    from collections.abc import Iterator

# linux/timex.h
_STA_UNSYNC: Final = 0x0040
_STA_NANO: Final = 0x2000
_UNSAFE: Final = 0.5  # seconds
_EARLY: Final = 600.0  # seconds after boot in which nobody has set it yet
# No host is older than the program that looks at it: certificates fail before anything else.
_OLDEST: Final = 1_767_225_600  # 2026-01-01


@dataclasses.dataclass(frozen=True, slots=True)
class Clock:
    """`offset` in seconds, as the kernel was last told; `now` since the epoch."""

    synchronised: bool
    offset: float
    now: float
    uptime: float


class _Timex(ctypes.Structure):
    """struct timex: its beginning, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("max_error", ctypes.c_long),
        ("estimated_error", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def read() -> Clock:
    """Ask adjtimex(2), changing nothing."""
    timex = _Timex()
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    unit = 1e9 if timex.status & _STA_NANO else 1e6
    return Clock(
        synchronised=not timex.status & _STA_UNSYNC,
        offset=timex.offset / unit,
        now=time.time(),
        uptime=time.clock_gettime(time.CLOCK_BOOTTIME),
    )


def check(clock: Clock) -> Iterator[Diagnosis]:
    if clock.now < _OLDEST:
        shown = time.strftime("%Y-%m-%d", time.gmtime(clock.now))
        yield Diagnosis(
            "clock.past",
            "critical",
            f"the clock says {shown}",
            (f"{clock.now:.0f} seconds since the epoch",),
            "Set it, and look at the machine's battery or hypervisor: no certificate is valid.",
        )
    elif not clock.synchronised and clock.uptime > _EARLY:
        yield Diagnosis(
            "clock.unsynchronised",
            "warning",
            "the clock is not synchronised",
            ("adjtimex: STA_UNSYNC",),
            "Look at chrony or systemd-timesyncd, and whether their servers can be reached.",
        )
    if abs(clock.offset) >= _UNSAFE:
        yield Diagnosis(
            "clock.offset",
            "warning",
            f"the clock is {clock.offset:+.2f} s off",
            (f"adjtimex: offset {clock.offset:+.6f} s",),
            "Look at chrony or systemd-timesyncd.",
        )
