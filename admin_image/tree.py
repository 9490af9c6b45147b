# SPDX-License-Identifier: Apache-2.0
"""A copy of the target's mounts, made where they are, to be attached where we are.

Nothing of the target is written, no file of ours is in its sight, and with the last process of
ours the copy is gone. No link of it is followed out of it, and none of its /proc at all.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from hostview import descriptors, kernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from admin_image.subject import Subject

# What the target's programs resolve names with, ours are to use as well.
NAMES = ("/etc/resolv.conf", "/etc/hosts")


class Clone:
    """A copy of a mount tree that is attached nowhere yet; without one, `reason` says why.

    `names` are copies of single files of it by path; `directory` is the target's working
    directory as it sees it.
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
        return _cloned(subject, root)
    finally:
        kernel.setns(home, kernel.CLONE_NEWNS)
        os.close(home)
        os.close(root)


def _cloned(subject: Subject, root: int) -> Clone:
    made = Clone()
    try:
        made.tree = descriptors.copy_mount(root)
    except OSError as error:
        # EINVAL where it is unbindable, EPERM by an old seccomp profile.
        made.reason = error.strerror or str(error)
        return made
    for place in NAMES:
        # The target may have anything there: a pipe would hang whoever reads it.
        if (file := copy_within(root, place, stat.S_ISREG)) >= 0:
            made.names[place] = file
    # Read here, it comes as seen from the target's root.
    made.directory = subject.link("cwd")
    return made


def copy_within(root: int, place: str, fits: Callable[[int], bool]) -> int:
    """A copy of what is mounted at a place below `root`, or -1 when it is not what it should be."""
    try:
        found = descriptors.open_within(root, place)
    except OSError:
        return -1
    try:
        return descriptors.copy_mount(found) if fits(os.fstat(found).st_mode) else -1
    except OSError:
        return -1
    finally:
        os.close(found)
