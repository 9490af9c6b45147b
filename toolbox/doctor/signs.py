# SPDX-License-Identifier: Apache-2.0
"""What lines of the kernel's log mean, by their words as kernels from 4.19 on print them.

Each expression is as narrow as it can be: much that is harmless shares words with a fault.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from toolbox.doctor.diagnosis import Severity


class Sign(NamedTuple):
    """What lines of one kind mean."""

    code: str
    severity: Severity
    pattern: re.Pattern[str]
    title: str
    advice: str


def _any(*expressions: str) -> re.Pattern[str]:
    return re.compile("|".join(expressions))


# Drives that are empty, as virtual machines have them; and what a disk need not be able to do.
_HARMLESS: Final = r"(?!(?:fd|sr)\d|.*\((?:DISCARD|WRITE_ZEROES)\))"

SIGNS: Final = (
    Sign(
        "kernel.oom", "critical",
        _any(r"(?:Out of memory|Memory cgroup out of memory): Kill", r"oom-kill:.*task="),
        "the kernel killed processes for want of memory",
        "The lines name the process and its cgroup: raise that limit, or find what grows.",
    ),
    Sign(
        "kernel.file-system", "critical",
        _any(
            r"EXT4-fs error",
            r"EXT4-fs \(.*\): (?:Remounting filesystem read-only|error count since last fsck)",
            r"XFS \(.*\): (?i:corruption|metadata (?:corruption|CRC error|I/O error)|internal error"
            r"|(?:log )?I/O error|writeback error|.*shutting down filesystem"
            r"|filesystem has been shut down)",
            r"BTRFS:? (?:error|critical)",
            r"JBD2: .*[Ee]rror", r"Aborting journal on device",
            r"SQUASHFS error: (?:Unable to read|.*decompression failed)",
            r"device-mapper: verity: .* is corrupted",
        ),
        "a file system is damaged",
        "Save what is needed, and check that disk when it is not mounted.",
    ),
    Sign(
        "kernel.disk", "critical",
        _any(
            r"(?:I/O|timeout|transport|protection|critical (?:medium|target|space allocation)) "
            rf"error, dev {_HARMLESS}",
            rf"Buffer I/O error on dev(?:ice)? {_HARMLESS}",
            r"^(?!sr ).*Sense Key : (?:Medium|Hardware) Error",
            r"rejecting I/O to (?:offline|dead) device",
            r"nvme.*(?:QID \d+ timeout|controller is down|Device not ready)",
            r"nvme.*after (?:probe|reset) failure",
            r"ata\d.*(?:failed command: (?!PACKET)|hard resetting)",
            r"md/raid.*Disk failure on",
        ),
        "a disk reports errors",
        "Look at the disk (`smartctl`), or at the volume that the cloud attached; replace it.",
    ),
    Sign(
        "kernel.hang", "critical",
        _any(
            r"blocked for more than \d+ seconds",
            r"BUG: (?:soft|workqueue) lockup", r"hard LOCKUP",
            r"rcu_\w+ (?:self-)?detected (?:expedited )?stall",
        ),
        "something hangs in the kernel",
        "The lines name it; processes in state D wait for a disk or a server that does not answer.",
    ),
    Sign(
        "kernel.oops", "critical",
        _any(
            r"\bBUG: (?!(?:soft|workqueue) lockup)", r"^kernel BUG at ",
            r"\bOops: ", r"^Internal error: .*\[#\d+\]",
            r"^(?!traps: ).*general protection fault",
            r"Kernel panic - ", r"PANIC: double fault",
        ),
        "the kernel itself has failed",
        "Keep this log, and boot the node anew when its work is elsewhere.",
    ),
    Sign(
        "kernel.hardware", "critical",
        _any(
            r"\[Hardware Error\]", r"EDAC .*\b(?:UE|CE)\b",
            r"(?i:uncorrect(?:able|ed) error)", r"Uncorrected \(Fatal\)",
            r"due to hardware memory corruption",
        ),
        "the hardware reports errors",
        "Move the work elsewhere and have the machine looked at.",
    ),
    Sign(
        "kernel.segfault", "notice",
        _any(
            r"\[\d+\]: segfault at ", r"^traps: .*\[\d+\] (?:general protection|trap )",
            r"\[\d+\]: unhandled (?:level|exception|signal)",
        ),
        "programs crashed",
        "The lines name them; the same one again and again is worth a look.",
    ),
    Sign(
        "network.conntrack", "critical",
        _any(r"nf_conntrack: table full"),
        "connections were dropped: the table that tracks them was full",
        "Raise net.netfilter.nf_conntrack_max, or find who opens so many.",
    ),
    Sign(
        "network.neighbours", "warning",
        _any(r"neighbour: \S+: neighbor table overflow"),
        "the table of neighbours overflows",
        "Raise net.ipv4.neigh.default.gc_thresh3.",
    ),
    Sign(
        "network.syn-flood", "warning",
        _any(r"Possible SYN flooding on port"),
        "a port gets more connections than its program accepts",
        "The line names the port: its program is overloaded, or its backlog is small.",
    ),
)  # fmt: skip
