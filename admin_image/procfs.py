# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PTH112 - pathlib would double the time that this takes to start
"""A /proc of the target's processes, made by whom the target cannot take over.

The kernel makes a procfs for the pid namespace of whoever opens it, and only a process with
CAP_SYS_ADMIN may. Such a process would be in the target's sight: one of the target with
CAP_SYS_PTRACE could take it over and have that right. So there are three of them, which share
one table of descriptors, empty at first:

    maker   outside the target's pid namespace: makes the file system, looks at it, attaches it
    sender  outside as well: its children are inside; has no other right left
    opener  inside: opens procfs, and is gone; may ask nothing else of the kernel
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from admin_image import fork
from admin_image.errors import JoinError
from hostview import descriptors, kernel
from hostview.seccomp_allow import Rule

if TYPE_CHECKING:
    from admin_image.seccomp import Filter

PLACE = "/proc"
_FIRST = 3
_SYS_ADMIN = 1 << 21  # linux/capability.h
# What engines make read-only in any container, and what they hide.
_SETTINGS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_HIDDEN = (
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
    "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
    "/proc/scsi",
)  # fmt: skip


# All that sender and opener call, and what Python does for its memory.
CALLS = (
    Rule(("fsopen", "close", "clone", "wait4", "exit", "exit_group")),
    Rule(("brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "futex")),
    Rule(("rt_sigprocmask", "rt_sigreturn")),
)


def show(handle: int, calls: Filter, *, inside: bool) -> None:
    """Mount the processes of the pid namespace of a pidfd at `PLACE`; `calls` is of `CALLS`.

    Without `inside` that is the namespace in which we are ourselves.
    """
    if not inside:
        flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
        kernel.mount("proc", PLACE, "proc", flags)
    elif not fork.succeeded(fork.fork(lambda: _make(handle, calls))):
        raise JoinError("target.failed", "no /proc could be made for its processes")


def restrict() -> None:
    """Make the settings of the kernel in there read-only, and hide what is not the target's."""
    for place in filter(os.path.exists, _SETTINGS):
        kernel.mount(place, place, flags=kernel.MS_BIND)
        flags = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY
        flags |= kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
        kernel.mount("none", place, flags=flags)
    for place in filter(os.path.exists, _HIDDEN):
        if os.path.isdir(place):
            kernel.mount("hatchway", place, "tmpfs", kernel.MS_RDONLY, "mode=0755")
        else:
            kernel.mount("/dev/null", place, flags=kernel.MS_BIND)


def _make(handle: int, calls: Filter) -> int:
    if handle != _FIRST:
        os.dup2(handle, _FIRST, inheritable=False)
    descriptors.close_from(_FIRST + 1)
    if not fork.succeeded(fork.clone(descriptors.CLONE_FILES, lambda: _send(calls))):
        return fork.FAILED
    # What came is what the opener says it is: it was in the target's sight.
    attributes = descriptors.MOUNT_ATTR_NOSUID | descriptors.MOUNT_ATTR_NODEV
    made = descriptors.make_file_system(_FIRST, attributes | descriptors.MOUNT_ATTR_NOEXEC)
    if descriptors.kind_of(made) != descriptors.PROC_SUPER_MAGIC:
        return fork.FAILED
    kernel.move_mount(made, PLACE)
    return 0


def _send(calls: Filter) -> int:
    kernel.setns(_FIRST, kernel.CLONE_NEWPID)
    os.close(_FIRST)  # for the maker as well
    kernel.capset(_SYS_ADMIN)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    calls.load()
    opener = fork.clone(descriptors.CLONE_FILES, _open)
    return 0 if fork.succeeded(opener) else fork.FAILED


def _open() -> int:
    return 0 if descriptors.open_file_system("proc") == _FIRST else fork.FAILED
