# SPDX-License-Identifier: Apache-2.0
"""What engines give to any container, for one that gets a whole OCI configuration from us.

The ordinary seccomp filter refuses what is named here and lets all else pass: a list of what is
allowed would have to be renewed with each kernel, and an old one breaks new tools. What a
capability of the plan is there for is not refused. The filter of an observer is such a list.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any, Final

from hostview import seccomp_allow, seccomp_deny

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

# One filter stands for all that the processor can run, or a 32-bit program would be killed.
_ARCHITECTURES: Final = {
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
}
# What an engine answers to a call that its filter does not name: as told, or as of old.
_DEFAULTS: Final = (seccomp_allow.ENOSYS, seccomp_allow.EPERM)


def seccomp(capabilities: Iterable[str]) -> dict[str, Any]:
    """The filter for a process that has these capabilities (names without CAP_)."""
    refused = list(seccomp_deny.refused(capabilities))
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": list(_ARCHITECTURES.get(platform.machine(), ())),
        "syscalls": [
            {"names": refused, "action": "SCMP_ACT_ERRNO", "errnoRet": seccomp_deny.EPERM}
        ],
    }


def observers_seccomp() -> dict[str, Any]:
    """The filter for a process that may only look; what is of another architecture is killed.

    Engines older than `defaultErrnoRet` refuse with EPERM what is not named: a program with
    threads may fail there.
    """
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": seccomp_allow.ENOSYS,
        "architectures": list(_ARCHITECTURES.get(platform.machine(), ())[:1]),
        # runc before 1.0.2 fails at a rule that says what its default does, whichever that is.
        "syscalls": [_rule(rule) for rule in seccomp_allow.RULES if rule.error not in _DEFAULTS],
    }


def _rule(rule: seccomp_allow.Rule) -> dict[str, Any]:
    action = {"action": "SCMP_ACT_ERRNO", "errnoRet": rule.error}
    return {
        "names": list(rule.names),
        **(action if rule.error else {"action": "SCMP_ACT_ALLOW"}),
        "args": [_argument(each) for each in rule.arguments],
    }


def _argument(argument: seccomp_allow.Argument) -> dict[str, Any]:
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
