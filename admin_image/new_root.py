# SPDX-License-Identifier: Apache-2.0
# pathlib would double the time that this takes to start.
# ruff: noqa: PTH102, PTH103, PTH106, PTH211
"""The root that a command beside a target sees: a new one, of what it is to see and nothing else.

It is built where nobody looks, and then entered for good. What the toolbox itself sees is left
behind with the old root before any process of ours is in the target's sight: the engine's mounts,
which are files of the host, the host's processes, its devices.

Our own image is below it, and is never written: what is changed goes to memory. A target that
reaches our root through /proc/PID/root changes no program that one of ours outside still runs.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from hostview import descriptors, kernel

if TYPE_CHECKING:
    from admin_image.tree import Clone

# Where the target's files are shown; until then, where all of it is built.
PLACE = "/target"
_ROOT = f"{PLACE}/root"
# Where something has to be written, also where the image cannot be laid over.
_WRITTEN = ("/tmp", "/var/tmp", "/run", "/root")  # noqa: S108
_MINE = kernel.MS_NOSUID | kernel.MS_NODEV
# More than any image has at its root; the target decides how many there are.
_MANY = 1000


def leave_toolbox() -> None:
    """Go into a mount namespace of our own, of which the container's processes learn nothing.

    The image is read-only from here on, also for what runs from it already. The mounts are
    slaves, which see the host unmount: a private copy would hold its disks busy.
    """
    kernel.mount("none", "/", flags=kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY)
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_SLAVE)
    kernel.mount("hatchway", PLACE, "tmpfs", _MINE, "mode=0755")
    for name in ("root", "there", "upper", "work"):
        os.mkdir(f"{PLACE}/{name}")


def build_toolbox(cloned: Clone) -> str:
    """Our image as the root, and the target's files in it; returns where the target's are now."""
    if not lay_image("/", _ROOT):
        for place in _WRITTEN:
            kernel.mount("hatchway", f"{_ROOT}{place}", "tmpfs", _MINE, "mode=1777")
    for name in ("host", "target"):
        with contextlib.suppress(OSError):
            os.rmdir(f"{_ROOT}/{name}")
    place = f"{_ROOT}{PLACE}"
    if cloned.tree < 0:
        return ""
    os.makedirs(place, exist_ok=True)
    _attach(cloned.tree, place)
    return place


def attach_target(cloned: Clone) -> str:
    """The target's files where only we see them; to be built into a root by `build_target`."""
    place = f"{PLACE}/there"
    _attach(cloned.tree, place)
    return place


def build_target(place: str) -> str:
    """All that is at the target's root, in a root of ours; returns where that is now.

    The names in it are ours: whatever the target removes or renames, nothing of it comes to stand
    at another's place, and a name that it does not have is ours alone.
    """
    kernel.mount("hatchway", _ROOT, "tmpfs", _MINE, "mode=0755")
    there = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with os.scandir(there) as entries:
        for _, entry in zip(range(_MANY), entries, strict=False):
            with contextlib.suppress(OSError):  # it may be gone, or another thing by now
                _show(there, entry)
    os.close(there)
    return _ROOT


def seal() -> None:
    """Let nothing more be made or exchanged at the root that `build_target` gave."""
    kernel.mount("none", _ROOT, flags=kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | _MINE)


def enter() -> None:
    """Make what was built the root, and let go of all else."""
    os.chdir(_ROOT)
    # pivot_root(2): both may be the same, and the old root then lies on top of the new one.
    kernel.pivot_root(".", ".")
    kernel.umount2(".", kernel.MNT_DETACH)
    os.chdir("/")


def lay_image(source: str, place: str) -> bool:
    """Show a directory of our image elsewhere; whether it can be written there."""
    layers = f"lowerdir={source},upperdir={PLACE}/upper,workdir={PLACE}/work"
    try:
        kernel.mount("hatchway", place, "overlay", kernel.MS_NODEV, layers)
    except OSError:  # none in this kernel, or as many layers as it takes
        kernel.mount(source, place, flags=kernel.MS_BIND)
        flags = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NODEV
        kernel.mount("none", place, flags=flags)
        return False
    return True


def lead_to(pid: int) -> None:
    """Make `PLACE` a link into the target's own /proc/PID/root, by its pid as it sees it."""
    os.symlink(f"/proc/{pid}/root", f"{_ROOT}{PLACE}")


def _attach(tree: int, place: str) -> None:
    kernel.move_mount(tree, place)
    # What is mounted below it in this session must not show where the original is shared.
    kernel.mount("none", place, flags=kernel.MS_REC | kernel.MS_SLAVE)


def _show(there: int, entry: os.DirEntry[str]) -> None:
    place = f"{_ROOT}/{entry.name}"
    if entry.is_symlink():
        os.symlink(os.readlink(entry.name, dir_fd=there), place)
        return
    tree = descriptors.copy_mount(there, entry.name)
    try:
        if entry.is_dir(follow_symlinks=False):
            os.mkdir(place)
        else:
            os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
        kernel.move_mount(tree, place)
    finally:
        os.close(tree)
