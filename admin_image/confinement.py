# SPDX-License-Identifier: Apache-2.0
"""What a command beside a target may not ask of the kernel: what engines refuse to a container.

The target's own filter cannot be had: the kernel shows it only to who stops the target.
"""

from __future__ import annotations

from hostview import kernel, seccomp_deny
from hostview.seccomp_allow import ENOSYS, EPERM, Argument, Rule

DAC_READ_SEARCH, _SYS_ADMIN = 1 << 2, 1 << 21  # linux/capability.h
# A new user namespace has every capability in it, and with it most of the kernel.
_NAMESPACES = (
    kernel.CLONE_NEWNS, kernel.CLONE_NEWCGROUP, kernel.CLONE_NEWUTS, kernel.CLONE_NEWIPC,
    kernel.CLONE_NEWUSER, kernel.CLONE_NEWPID, kernel.CLONE_NEWNET,
)  # fmt: skip


def rules(mask: int) -> tuple[Rule, ...]:
    """The calls that are refused to a process with these capabilities; all others are allowed."""
    refused = Rule(seccomp_deny.refused(seccomp_deny.named(mask)), EPERM)
    if mask & _SYS_ADMIN:
        return (refused,)
    flags = (Rule(("clone",), EPERM, (Argument(0, flag, flag),)) for flag in _NAMESPACES)
    # Its flags are in memory, which no filter sees; without it a libc takes `clone`.
    return (refused, Rule(("clone3",), ENOSYS), *flags)
