# SPDX-License-Identifier: Apache-2.0
"""What engines give to any container, for one that gets a whole OCI configuration from us.

The ordinary seccomp filter refuses what is named here and lets all else pass: a list of what is
allowed would have to be renewed with each kernel, and an old one breaks new tools. What a
capability of the plan is there for is not refused. The filter of an observer is such a list.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any, Final

from hostview import observing

if TYPE_CHECKING:
    from collections.abc import Iterable

MASKED: Final = (
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
    "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
    "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
)  # fmt: skip
READ_ONLY: Final = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

# runc(8) makes these nodes itself; 5:2 and 136 are terminals.
_DEVICES: Final = ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2), (136, None))

# The capability without which nobody may call these; "" stands for nobody at all.
_REFUSED: Final[dict[str, tuple[str, ...]]] = {
    "SYS_ADMIN": (
        "mount", "umount", "umount2", "pivot_root", "move_mount", "open_tree", "fsopen", "fsconfig",
        "fsmount", "fspick", "mount_setattr", "setns", "unshare", "sethostname", "setdomainname",
        "quotactl", "quotactl_fd", "lookup_dcookie", "fanotify_init", "bpf", "perf_event_open",
    ),
    "SYS_PTRACE": ("process_vm_writev", "kcmp", "process_madvise"),
    "SYS_MODULE": ("init_module", "finit_module", "delete_module", "create_module"),
    "SYS_BOOT": ("reboot", "kexec_load", "kexec_file_load"),
    "SYS_TIME": ("settimeofday", "stime", "clock_settime", "clock_settime64", "clock_adjtime64"),
    "SYS_RAWIO": ("iopl", "ioperm"),
    "SYS_PACCT": ("acct",),
    "SYS_TTY_CONFIG": ("vhangup",),
    "DAC_READ_SEARCH": ("open_by_handle_at",),
    "": (
        "add_key", "request_key", "keyctl", "userfaultfd", "swapon", "swapoff", "uselib", "ustat",
        "sysfs", "nfsservctl", "vm86", "vm86old", "_sysctl", "get_kernel_syms", "query_module",
        "io_uring_setup", "io_uring_enter", "io_uring_register",
    ),
}  # fmt: skip
# PERFMON and BPF are parts of SYS_ADMIN that newer engines know.
_ALSO: Final = {"perf_event_open": "PERFMON", "bpf": "BPF"}
# One filter stands for all that the processor can run, or a 32-bit program would be killed.
_ARCHITECTURES: Final = {
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
}
_EPERM: Final = 1


def seccomp(capabilities: Iterable[str]) -> dict[str, Any]:
    """The filter for a process that has these capabilities (names without CAP_)."""
    held = set(capabilities)
    refused = [
        name
        for needed, names in _REFUSED.items()
        for name in names
        if needed not in held and _ALSO.get(name, "") not in held
    ]
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": list(_ARCHITECTURES.get(platform.machine(), ())),
        "syscalls": [{"names": refused, "action": "SCMP_ACT_ERRNO", "errnoRet": _EPERM}],
    }


def observers_seccomp() -> dict[str, Any]:
    """The filter for a process that may only look; what is of another architecture is killed.

    Engines older than `defaultErrnoRet` (runc 1.1, docker 23) refuse with EPERM what is not named.
    """
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": observing.ENOSYS,
        "architectures": list(_ARCHITECTURES.get(platform.machine(), ())[:1]),
        "syscalls": [_rule(rule) for rule in observing.RULES],
    }


def _rule(rule: observing.Rule) -> dict[str, Any]:
    action = {"action": "SCMP_ACT_ERRNO", "errnoRet": rule.error}
    return {
        "names": list(rule.names),
        **(action if rule.error else {"action": "SCMP_ACT_ALLOW"}),
        "args": [_argument(each) for each in rule.arguments],
    }


def _argument(argument: observing.Argument) -> dict[str, Any]:
    if argument.other:
        return {"index": argument.position, "value": argument.value, "op": "SCMP_CMP_NE"}
    return {
        "index": argument.position, "value": argument.mask, "valueTwo": argument.value,
        "op": "SCMP_CMP_MASKED_EQ",
    }  # fmt: skip


def devices() -> list[dict[str, Any]]:
    """The device rules: all nodes may be made, the harmless ones used."""
    allowed: list[dict[str, Any]] = [{"allow": False, "access": "rwm"}]
    allowed += [{"allow": True, "type": kind, "access": "m"} for kind in ("c", "b")]
    for major, minor in _DEVICES:
        rule = {"allow": True, "type": "c", "major": major, "access": "rwm"}
        allowed.append(rule if minor is None else {**rule, "minor": minor})
    return allowed


def mounts() -> list[dict[str, Any]]:
    """What is mounted besides /proc; a plan's own mounts at these places go first."""
    return [
        _mount("/dev", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
        _mount("/dev/pts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
        _mount("/dev/shm", "tmpfs", "nosuid,noexec,nodev,mode=1777,size=65536k", "shm"),  # noqa: S108
        _mount("/dev/mqueue", "mqueue", "nosuid,noexec,nodev"),
        _mount("/sys", "sysfs", "nosuid,noexec,nodev,ro"),
        _mount("/sys/fs/cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro"),
    ]


def _mount(place: str, kind: str, options: str, source: str = "") -> dict[str, Any]:
    return {
        "destination": place, "type": kind, "source": source or kind, "options": options.split(","),
    }  # fmt: skip
