# SPDX-License-Identifier: Apache-2.0
# pathlib would double the time that this takes to start.
# ruff: noqa: PTH102, PTH103, PTH110, PTH120, PTH123, PTH211
"""What our image needs around it beside a target: devices, names, volumes, cgroups.

It is taken along as mounts that are attached nowhere, and laid where the new root is ours. Of the
host's devices there are those that any container has, of its mounts those that were asked for.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from admin_image import tree
from hostview import kernel

if TYPE_CHECKING:
    from admin_image.tree import Clone

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {
    "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx",
}  # fmt: skip
_GROUPS = "/sys/fs/cgroup"
_TMPFS = kernel.MS_NOSUID | kernel.MS_NODEV
_READ_ONLY = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOEXEC | _TMPFS


class ToolboxMounts:
    """Taken from the toolbox when it is made; `volumes` are places in it.

    `place` is where the target's files are, as the command is to see them, or nothing.
    """

    def __init__(self, cloned: Clone, place: str, volumes: list[str]) -> None:
        self._names = dict(cloned.names)
        self._groups = _groups(place) if place else -1
        self._devices = {name: _copy(f"/dev/{name}") for name in _DEVICES}
        self._terminals = _copy("/dev/pts")
        self._volumes = {place: _copy(place) for place in volumes}
        # Files of the engine, which lie on the host: what is in them, not they.
        self._texts = {place: _text(place) for place in tree.NAMES if place not in self._names}

    def lay(self) -> None:
        """Put all of it into the root that was entered."""
        self._lay_devices()
        for place, file in self._names.items():
            _attach(file, place)
            kernel.mount("none", place, flags=_READ_ONLY)
        for place, text in self._texts.items():
            with contextlib.suppress(OSError), open(place, "wb") as written:  # or it is read-only
                written.write(text)
        for place, mount in self._volumes.items():
            _attach(mount, place)

    def show_network(self) -> None:
        """Show the target's interfaces in /sys/class/net, and its cgroups; not vital."""
        with contextlib.suppress(OSError):
            flags = _TMPFS | kernel.MS_NOEXEC
            kernel.mount("sysfs", "/sys", "sysfs", flags | kernel.MS_RDONLY)
            if self._groups >= 0:
                kernel.move_mount(self._groups, _GROUPS)

    def _lay_devices(self) -> None:
        kernel.mount("hatchway", "/dev", "tmpfs", kernel.MS_NOSUID, "mode=0755")
        for name, device in self._devices.items():
            _attach(device, f"/dev/{name}")
        os.mkdir("/dev/pts")
        if self._terminals >= 0:
            kernel.move_mount(self._terminals, "/dev/pts")
        os.mkdir("/dev/shm")  # noqa: S108
        kernel.mount("hatchway", "/dev/shm", "tmpfs", _TMPFS, "mode=1777")  # noqa: S108
        for name, target in _LINKS.items():
            os.symlink(target, f"/dev/{name}")


def _groups(place: str) -> int:
    root = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return tree.copy_within(root, _GROUPS, stat.S_ISDIR)
    finally:
        os.close(root)


def _copy(place: str) -> int:
    try:
        return kernel.open_tree(
            kernel.AT_FDCWD, place, kernel.OPEN_TREE_CLONE | kernel.AT_RECURSIVE
        )
    except FileNotFoundError:
        return -1


def _attach(mount: int, place: str) -> None:
    if mount < 0:
        return
    if not os.path.exists(place):
        is_directory = stat.S_ISDIR(os.fstat(mount).st_mode)
        os.makedirs(place if is_directory else os.path.dirname(place), exist_ok=True)
        if not is_directory:
            os.close(os.open(place, os.O_CREAT | os.O_CLOEXEC, 0o644))
    kernel.move_mount(mount, place)
    os.close(mount)


def _text(place: str) -> bytes:
    try:
        with open(place, "rb") as file:
            return file.read()
    except OSError:
        return b""
