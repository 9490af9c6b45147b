# SPDX-License-Identifier: Apache-2.0
"""What stood in a script's way, by the last lines that it printed: a right that it lacks, mostly.

Programs say "Operation not permitted" and nothing more. Here it is said which right that may be,
and which setting gives it. A guess by words, so it is added to a failure and never makes one.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bootstrap_image.spec import CAPABILITIES_SETTING, HOST, WRITABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

# Capabilities that the container goes without: the bit (linux/capability.h), and words by which a
# line of output speaks of them.
_LEFT_OUT: Final = {
    "SYS_PTRACE": (19, r"/proc/[0-9]+/|ptrace|nsenter|strace|gdb|attach"),
    "SYS_RAWIO": (17, r"/dev/(mem|port|nvme)|iop(er|l)|hdparm|smartctl|nvme|SG_IO|raw"),
    "SYS_BOOT": (22, r"reboot|kexec|halt|poweroff"),
    "SYSLOG": (34, r"dmesg|klog|syslog"),
    "MAC_ADMIN": (33, r"chcon|setfattr|security\.|selinux|smack"),
    "WAKE_ALARM": (35, r"rtcwake|alarm"),
    "SYS_PACCT": (20, r"accton|acct"),
    "SYS_TTY_CONFIG": (26, r"vhangup|setleds|loadkeys|console"),
    "PERFMON": (38, r"perf"),
    "BPF": (39, r"bpf"),
    "CHECKPOINT_RESTORE": (40, r"criu|checkpoint"),
    "DAC_READ_SEARCH": (2, r"open_by_handle"),
    "IPC_OWNER": (15, r"shm|ipcs|ipcrm"),
    "LEASE": (28, r"lease"),
    "BLOCK_SUSPEND": (36, r"suspend"),
    "AUDIT_READ": (37, r"auditctl|auditd"),
    "MAC_OVERRIDE": (32, r"(?!)"),
    "NET_BROADCAST": (11, r"(?!)"),
}
_PATH: Final = re.compile(r"(/[^\s:'\"]+)['\"]?: Permission denied")
# The kernel's words for looking into another process without SYS_PTRACE.
_OTHERS: Final = re.compile(r"/proc/[0-9]+/.*Permission denied")


def hint(lines: Sequence[str], capabilities: int | None = None) -> str:
    """A sentence, or nothing; `capabilities` is the mask of those that the container has."""
    mask = _effective() if capabilities is None else capabilities
    return next((said for line in reversed(lines) if (said := _of(line, mask))), "")


def _of(line: str, mask: int) -> str:
    if "Operation not permitted" in line or _OTHERS.search(line):
        return _right(line, mask)
    if "Read-only file system" in line:
        return (
            f"the host's root and /usr, and all of {HOST}, are read-only: write below "
            f"{', '.join(WRITABLE)}"
        )
    if (match := _PATH.search(line)) and _bars_programs(match[1]):
        return f"{match[1]} lies where programs must not be run (noexec): put it below /opt"
    return ""


def _right(line: str, mask: int) -> str:
    lacking = [name for name, (bit, _) in _LEFT_OUT.items() if not mask >> bit & 1]
    likely = [name for name in lacking if re.search(_LEFT_OUT[name][1], line, re.IGNORECASE)]
    if likely:
        return (
            f"it lacks the capability CAP_{likely[0]}: "
            f'{CAPABILITIES_SETTING} = ["{likely[0]}"] would give it'
        )
    if lacking:
        names = ", ".join(sorted(lacking))
        return (
            "it may lack a capability: this container is not privileged, and goes without "
            f"{names}; {CAPABILITIES_SETTING} adds those that are named there"
        )
    return ""


def _effective() -> int:
    text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", text, re.MULTILINE)
    return int(found[1], 16) if found else 0


def _bars_programs(path: str) -> bool:
    try:
        return bool(os.statvfs(path).f_flag & os.ST_NOEXEC)
    except OSError:
        return False
