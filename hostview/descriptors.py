# SPDX-License-Identifier: Apache-2.0
"""Mounts, files and processes by calls in which nobody can exchange a path under us.

All of these are older than what a pidfd needs (Linux 5.8), but for `close_from` (5.9).
"""

from __future__ import annotations

import ctypes
import os

from hostview import kernel

# linux/openat2.h
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_IN_ROOT = 0x10
# linux/fcntl.h, linux/mount.h, linux/magic.h, linux/sched.h
AT_EMPTY_PATH = 0x1000
AT_SYMLINK_NOFOLLOW = 0x100
FSOPEN_CLOEXEC = FSMOUNT_CLOEXEC = 1
FSCONFIG_CMD_CREATE = 6
MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 2, 4, 8
PROC_SUPER_MAGIC = 0x9FA0
CLONE_FILES = 0x400
CLONE_PARENT = 0x8000
# The same numbers on every architecture: asm-generic/unistd.h.
_FSOPEN, _FSCONFIG, _FSMOUNT, _CLOSE_RANGE, _OPENAT2 = 430, 431, 432, 436, 437
_CLONE = {"x86_64": 56}.get(os.uname().machine, 220)
_SIGCHLD = 17
_LAST = (1 << 32) - 1

_libc = ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: int | bytes | ctypes.Array[ctypes.c_uint64] | None) -> int:
    words = (ctypes.c_long(each) if isinstance(each, int) else each for each in arguments)
    result = int(_libc.syscall(ctypes.c_long(number), *words))
    if result < 0:
        kernel.oserror()
    return result


def open_within(root: int, path: str) -> int:
    """Open a path (O_PATH) as if `root` were /: no link leads out of it, and none of /proc counts.

    The descriptor is closed by exec, like all that are given here.
    """
    # struct open_how: flags, mode, resolve
    how = (ctypes.c_uint64 * 3)(
        os.O_PATH | os.O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
    )
    return _call(_OPENAT2, root, os.fsencode(path), how, ctypes.sizeof(how))


def copy_mount(directory: int, name: str = "", *, recursive: bool = True) -> int:
    """A copy of what is mounted at a name, which is not followed, or at a descriptor itself."""
    flags = kernel.OPEN_TREE_CLONE | AT_SYMLINK_NOFOLLOW
    flags |= kernel.AT_RECURSIVE if recursive else 0
    return kernel.open_tree(directory, name, flags | (0 if name else AT_EMPTY_PATH))


def open_file_system(kind: str) -> int:
    """A file system to be; of `proc`, the one of this process's pid namespace."""
    return _call(_FSOPEN, os.fsencode(kind), FSOPEN_CLOEXEC)


def make_file_system(context: int, attributes: int) -> int:
    """From what `open_file_system` gave to a mount that is attached nowhere yet."""
    _call(_FSCONFIG, context, FSCONFIG_CMD_CREATE, None, None, 0)
    return _call(_FSMOUNT, context, FSMOUNT_CLOEXEC, attributes)


def kind_of(descriptor: int) -> int:
    """The magic number of the file system that it is on."""
    # struct statfs begins with f_type, and has less than 32 words
    facts = (ctypes.c_long * 32)()
    if _libc.fstatfs(descriptor, facts) < 0:
        kernel.oserror()
    return int(facts[0])


def close_from(first: int) -> None:
    """Close every descriptor from this one on."""
    _call(_CLOSE_RANGE, first, _LAST, 0)


def clone(flags: int) -> int:
    """As fork(2), with flags that fork does not take; 0 in the child."""
    return _call(_CLONE, flags | _SIGCHLD, 0, 0, 0, 0)
