# SPDX-License-Identifier: Apache-2.0
"""Calls into the kernel that Python 3.11 does not have, under the kernel's names.

Few imports on purpose: `hostsh` pays for each of them at every start.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any, NoReturn

# linux/mount.h, linux/fcntl.h, linux/sched.h, linux/prctl.h
AT_FDCWD = -100
AT_RECURSIVE = 0x8000
OPEN_TREE_CLONE = 1
MOVE_MOUNT_F_EMPTY_PATH = 0x4
MOVE_MOUNT_T_SYMLINKS = 0x10
MOUNT_ATTR_RDONLY = 0x1
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_NOSYMFOLLOW = 256
MS_NOATIME = 1024
MS_NODIRATIME = 2048
MS_BIND = 4096
MS_MOVE = 8192
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_RELATIME = 1 << 21
MS_STRICTATIME = 1 << 24
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
# The same number on every architecture since 5.12: asm-generic/unistd.h.
NR_MOUNT_SETATTR = 442
NR_OPEN_TREE, NR_MOVE_MOUNT = 428, 429
# Where the libc has no wrapper and the number is not the same everywhere: asm/unistd.h.
NR_PIVOT_ROOT = {"x86_64": 155}.get(os.uname().machine, 41)
# linux/capability.h
CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def oserror(path: str = "") -> NoReturn:
    """Raise what the last call left in errno."""
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number), path or None)


def mount(source: str, target: str, fstype: str = "", flags: int = 0, data: str = "") -> None:
    arguments = (os.fsencode(source), os.fsencode(target), os.fsencode(fstype))
    if _libc.mount(*arguments, ctypes.c_ulong(flags), os.fsencode(data)) < 0:
        oserror(target)


def umount2(target: str, flags: int = 0) -> None:
    if _libc.umount2(os.fsencode(target), flags) < 0:
        oserror(target)


def mount_setattr(path: str, flags: int, attr_set: int) -> None:
    """Since Linux 5.12; glibc 2.36 has the wrapper, but hosts of tests may be older."""
    # struct mount_attr: attr_set, attr_clr, propagation, userns_fd
    attributes = (ctypes.c_uint64 * 4)(attr_set, 0, 0, 0)
    call, size = ctypes.c_long(NR_MOUNT_SETATTR), ctypes.c_size_t(ctypes.sizeof(attributes))
    if _libc.syscall(call, AT_FDCWD, os.fsencode(path), flags, attributes, size) < 0:
        oserror(path)


def setns(descriptor: int, nstype: int) -> None:
    if _libc.setns(descriptor, nstype) < 0:
        oserror()


def unshare(flags: int) -> None:
    if _libc.unshare(flags) < 0:
        oserror()


def syncfs(descriptor: int) -> None:
    """Tells of write errors since Linux 5.8, of those since the descriptor was opened."""
    if _libc.syncfs(descriptor) < 0:
        oserror()


def prctl(option: int, argument: int, further: int = 0) -> None:
    if _libc.prctl(option, ctypes.c_ulong(argument), ctypes.c_ulong(further), 0, 0) < 0:
        oserror()


def syscall(number: int, *arguments: Any) -> int:
    """A call that the libc may not know; plain numbers are passed as the kernel's `long`."""
    words = (ctypes.c_long(each) if isinstance(each, int) else each for each in arguments)
    result = int(_libc.syscall(ctypes.c_long(number), *words))
    if result < 0:
        oserror()
    return result


def open_tree(directory: int, path: str, flags: int) -> int:
    """Since Linux 5.2. Returns a descriptor, which is closed by exec."""
    call, flags = ctypes.c_long(NR_OPEN_TREE), flags | os.O_CLOEXEC
    descriptor = int(_libc.syscall(call, directory, os.fsencode(path), ctypes.c_uint(flags)))
    if descriptor < 0:
        oserror(path)
    return descriptor


def move_mount(tree: int, target: str) -> None:
    """Attach what `open_tree` gave at a path, links followed; since Linux 5.2."""
    flags = ctypes.c_uint(MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS)
    call = ctypes.c_long(NR_MOVE_MOUNT)
    if _libc.syscall(call, tree, b"", AT_FDCWD, os.fsencode(target), flags) < 0:
        oserror(target)


def pivot_root(new_root: str, put_old: str) -> None:
    call = ctypes.c_long(NR_PIVOT_ROOT)
    if _libc.syscall(call, os.fsencode(new_root), os.fsencode(put_old)) < 0:
        oserror(new_root)


def capset(mask: int, *, inheritable: int = 0) -> None:
    """Make the capabilities in `mask` those that this process has, and those it may hand on."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    on_low, on_high = inheritable & 0xFFFFFFFF, inheritable >> 32
    # struct __user_cap_data_struct[2]: effective, permitted, inheritable
    data = (ctypes.c_uint32 * 6)(low, low, on_low, high, high, on_high)
    if _libc.capset(header, data) < 0:
        oserror()


def permitted() -> int:
    """The capabilities that this process may have."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()
    if _libc.capget(header, data) < 0:
        oserror()
    return data[1] | data[4] << 32
