# SPDX-License-Identifier: Apache-2.0
# pathlib would double the time that this takes to start.
# ruff: noqa: PTH103, PTH106, PTH110, PTH112, PTH114, PTH211
"""The target's files, with all that is mounted among them, in a mount namespace of ours.

A copy of its mounts is made where they are and attached where we are: nothing of the target is
written, no file of ours is in its sight, and with the last process of ours the copy is gone.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from hostview import kernel

if TYPE_CHECKING:
    from admin_image.subject import Subject

PLACE = "/target"
HOST = "/host"
# What engines make read-only in any container.
_SETTINGS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
# What the target's programs resolve names with, ours are to use as well.
NAMES = ("/etc/resolv.conf", "/etc/hosts")


class Clone:
    """A copy of a mount tree that is attached nowhere yet; without one, `reason` says why.

    `directory` is the target's working directory as it sees it.
    """

    def __init__(self) -> None:
        self.tree = -1
        self.names: dict[str, int] = {}
        self.directory = "/"
        self.reason = ""


def clone(subject: Subject) -> Clone:
    """Copy the target's mounts; nothing may be imported meanwhile, for `/` is the target's."""
    root = subject.open("root", os.O_PATH | os.O_DIRECTORY)
    home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    subject.check()
    # By pidfd, which cannot come to mean another process.
    kernel.setns(subject.handle, kernel.CLONE_NEWNS)
    try:
        # Its process may live in a chroot of its namespace.
        os.fchdir(root)
        os.chroot(".")
        return _cloned(subject)
    finally:
        kernel.setns(home, kernel.CLONE_NEWNS)
        os.close(home)
        os.close(root)


def _cloned(subject: Subject) -> Clone:
    made = Clone()
    try:
        flags = kernel.OPEN_TREE_CLONE | kernel.AT_RECURSIVE
        made.tree = kernel.open_tree(kernel.AT_FDCWD, "/", flags)
    except OSError as error:
        # ENOSYS before 5.2, EPERM by an old seccomp profile.
        made.reason = error.strerror or str(error)
        return made
    for place in NAMES:
        # The target may have anything there: a pipe would hang whoever reads it.
        try:
            file = kernel.open_tree(kernel.AT_FDCWD, place, kernel.OPEN_TREE_CLONE)
        except OSError:
            continue
        if stat.S_ISREG(os.fstat(file).st_mode):
            made.names[place] = file
        else:
            os.close(file)
    # Read here, it comes as seen from the target's root.
    made.directory = subject.link("cwd")
    return made


def leave_toolbox() -> None:
    """Go into a mount namespace of our own, of which the container's processes learn nothing.

    A slave sees the host unmount: a private copy would hold its disks busy.
    """
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_SLAVE)


def attach(made: Clone) -> None:
    """Attach the copy at `PLACE`, and what the target resolves names with where ours was."""
    os.makedirs(PLACE, exist_ok=True)
    kernel.move_mount(made.tree, PLACE)
    # What is mounted below it in this session must not show where the original is shared.
    kernel.mount("none", PLACE, flags=kernel.MS_REC | kernel.MS_SLAVE)
    for place, file in made.names.items():
        if not os.path.exists(place):
            os.close(os.open(place, os.O_CREAT | os.O_CLOEXEC, 0o644))
        kernel.move_mount(file, place)


def lead_to(pid: int) -> None:
    """Make `PLACE` a link into the target's own /proc/PID/root, by its pid as it sees it."""
    if not os.path.islink(PLACE):
        if os.path.isdir(PLACE):
            os.rmdir(PLACE)
        os.symlink(f"/proc/{pid}/root", PLACE)


def show_processes(*, confined: bool) -> None:
    """Show the target's processes in /proc; for a process that is in its pid namespace.

    `confined` makes the settings of the kernel in there read-only, as engines do.
    """
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount("proc", "/proc", "proc", flags)
    for place in _SETTINGS if confined else ():
        if os.path.exists(place):
            kernel.mount(place, place, flags=kernel.MS_BIND)
            again = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY
            kernel.mount("none", place, flags=flags | again)


def show_network() -> None:
    """Show the target's interfaces in /sys/class/net, and keep the cgroups; not vital."""
    try:
        groups = kernel.open_tree(
            kernel.AT_FDCWD, "/sys/fs/cgroup", kernel.OPEN_TREE_CLONE | kernel.AT_RECURSIVE
        )
        flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC | kernel.MS_RDONLY
        kernel.mount("sysfs", "/sys", "sysfs", flags)
        kernel.move_mount(groups, "/sys/fs/cgroup")
    except OSError:
        return


def become_root() -> None:
    """Make the copy at `PLACE` the root, and let go of all else."""
    os.chdir(PLACE)
    try:
        # pivot_root(2): both may be the same, and the old root then lies on top of the new one.
        kernel.pivot_root(".", ".")
        kernel.umount2(".", kernel.MNT_DETACH)
    except PermissionError:
        # docker's filter; what was the root lies below the new one, where no path leads.
        _let_go(HOST)
        kernel.mount(".", "/", flags=kernel.MS_MOVE)
        os.chroot(".")
    os.chdir("/")


def _let_go(place: str) -> None:
    """Take what is mounted at a place out of view; nothing there is as good."""
    with contextlib.suppress(OSError):
        while True:
            kernel.umount2(place, kernel.MNT_DETACH | kernel.UMOUNT_NOFOLLOW)
