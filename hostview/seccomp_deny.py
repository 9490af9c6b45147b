# SPDX-License-Identifier: Apache-2.0
"""What no container may ask of the kernel without the capability for it: one table for both sides.

Engines get it as the seccomp section of an OCI configuration, and the joiner loads it itself, for
a command has fewer capabilities than the container from which it goes beside a target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

EPERM: Final = 1

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
# Their bits: linux/capability.h.
_BITS: Final = {
    "DAC_READ_SEARCH": 2, "SYS_MODULE": 16, "SYS_RAWIO": 17, "SYS_PTRACE": 19, "SYS_PACCT": 20,
    "SYS_ADMIN": 21, "SYS_BOOT": 22, "SYS_TIME": 25, "SYS_TTY_CONFIG": 26, "PERFMON": 38, "BPF": 39,
}  # fmt: skip


def named(mask: int) -> tuple[str, ...]:
    """Those capabilities of a mask that unlock a call."""
    return tuple(name for name, bit in _BITS.items() if mask >> bit & 1)


def refused(capabilities: Iterable[str]) -> tuple[str, ...]:
    """The calls that a process with these capabilities (names without CAP_) may not make."""
    held = set(capabilities)
    return tuple(
        name
        for needed, names in _REFUSED.items()
        for name in names
        if needed not in held and _ALSO.get(name, "") not in held
    )
