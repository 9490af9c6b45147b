# SPDX-License-Identifier: Apache-2.0
"""What the kernel counts and caps: tracked connections, open files; and what taints it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Final

from toolbox.doctor.diagnosis import Diagnosis

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIGHT: Final = 0.9
# Bits of /proc/sys/kernel/tainted that tell of trouble (Documentation/admin-guide/tainted-kernels).
_TAINTS: Final = {
    1: "a module was loaded by force",
    2: "the processor does not fit the kernel",
    4: "the hardware reported an error (machine check)",
    5: "a page was found damaged",
    7: "the kernel has had an oops",
    9: "the kernel has warned of itself",
    14: "a task was locked up",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Counts with their most; 0 where the kernel has none."""

    tracked: int
    most_tracked: int
    files: int
    most_files: int
    tainted: int


def read() -> Limits:
    files = _numbers("fs/file-nr")
    return Limits(
        tracked=_number("net/netfilter/nf_conntrack_count"),
        most_tracked=_number("net/netfilter/nf_conntrack_max"),
        files=files[0],
        most_files=files[-1],
        tainted=_number("kernel/tainted"),
    )


def _numbers(name: str) -> list[int]:
    try:
        return [int(word) for word in Path("/proc/sys", name).read_text().split()] or [0]
    except (OSError, ValueError):
        return [0]


def _number(name: str) -> int:
    return _numbers(name)[0]


def check(limits: Limits) -> Iterator[Diagnosis]:
    if limits.most_tracked and limits.tracked >= limits.most_tracked * _TIGHT:
        yield Diagnosis(
            "limits.conntrack",
            "critical",
            f"{limits.tracked} of {limits.most_tracked} connections are tracked",
            (f"nf_conntrack_count {limits.tracked}, nf_conntrack_max {limits.most_tracked}",),
            "Raise net.netfilter.nf_conntrack_max: new connections are dropped when it is full.",
        )
    if limits.most_files and limits.files >= limits.most_files * _TIGHT:
        yield Diagnosis(
            "limits.files",
            "critical",
            f"{limits.files} of {limits.most_files} files are open",
            (f"fs.file-nr: {limits.files}, fs.file-max: {limits.most_files}",),
            "Find who opens so many; raise fs.file-max.",
        )
    taints = tuple(text for bit, text in _TAINTS.items() if limits.tainted >> bit & 1)
    if taints:
        yield Diagnosis(
            "limits.tainted",
            "warning",
            "the kernel is tainted",
            (f"kernel.tainted = {limits.tainted}", *taints),
            "The kernel log says when and why; what follows such an event is not to be trusted.",
        )
