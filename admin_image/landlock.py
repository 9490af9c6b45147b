# SPDX-License-Identifier: Apache-2.0
"""Landlock: what a process may write, by place, whatever its user and its permissions.

Since Linux 5.13, and only where the kernel was built and started with it. The numbers are those of
linux/landlock.h; each version of the interface knows more rights, and refuses those it does not.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from typing import TYPE_CHECKING

from hostview import kernel

if TYPE_CHECKING:
    from collections.abc import Iterable

# The same numbers on every architecture: asm-generic/unistd.h.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1
_WRITE_FILE, _TRUNCATE, _IOCTL_DEV = 1 << 1, 1 << 14, 1 << 15
# REMOVE_DIR, REMOVE_FILE and seven kinds to MAKE
_ENTRIES = 0x1FF0
_REFER = 1 << 13
_NET = 0b11  # BIND_TCP, CONNECT_TCP
_SCOPES = 0b11  # abstract Unix sockets and signals stay among its own
# By the version that brought them: 2 REFER, 3 TRUNCATE, 5 IOCTL_DEV.
_SINCE = ((1, _WRITE_FILE | _ENTRIES), (2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV))
# rights of a rule for something that is no directory
_OF_A_FILE = _WRITE_FILE | _TRUNCATE | _IOCTL_DEV
# Not there, not started, or refused by an engine's filter that is older than it.
_ABSENT = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM})


def version() -> int:
    """The kernel's version of the interface; 0 where there is none."""
    try:
        return kernel.syscall(_CREATE_RULESET, None, 0, _VERSION)
    except OSError as error:
        if error.errno in _ABSENT:
            return 0
        raise


def restrict(places: Iterable[int]) -> bool:
    """Let this process write beneath `places` alone, for good; whether the kernel can.

    `places` are descriptors of directories, or of single files. no_new_privs has to be set.
    """
    known = version()
    if not known:
        return False
    handled = 0
    for since, rights in _SINCE:
        if known >= since:
            handled |= rights
    # struct landlock_ruleset_attr: handled_access_fs, handled_access_net, scoped
    words = [handled, *([_NET] if known >= 4 else []), *([_SCOPES] if known >= 6 else [])]
    attributes = (ctypes.c_uint64 * len(words))(*words)
    ruleset = kernel.syscall(_CREATE_RULESET, attributes, ctypes.sizeof(attributes), 0)
    try:
        for place in places:
            is_directory = stat.S_ISDIR(os.fstat(place).st_mode)
            _allow(ruleset, place, handled if is_directory else handled & _OF_A_FILE)
        kernel.syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def _allow(ruleset: int, place: int, rights: int) -> None:
    # struct landlock_path_beneath_attr, which is packed: allowed_access, parent_fd
    rule = rights.to_bytes(8, "little") + place.to_bytes(4, "little")
    kernel.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
