# SPDX-License-Identifier: Apache-2.0
"""Block devices: their names in user data, and what the kernel and their content say of them."""

from __future__ import annotations

import dataclasses
import re
import time
from typing import TYPE_CHECKING

from bootstrap_image.host import ModuleError
from hostview import mountinfo

if TYPE_CHECKING:
    from bootstrap_image.host import Host

# What the kernel needs to show a new partition below /dev.
NODE_LIMIT = 10.0
_UDEV_WAKES = 0.3  # and says that it has something to do
_TAG = re.compile(r"(LABEL|UUID|PARTLABEL|PARTUUID)=")
_SHORT = re.compile(r"(x?v|s|h)d[a-z]+[0-9]*|nvme[0-9]+n[0-9]+(p[0-9]+)?|sr[0-9]+")


@dataclasses.dataclass(frozen=True, slots=True)
class Mounted:
    """A line of mountinfo."""

    id: str
    device: str  # major:minor
    root: str  # the directory of the file system that is seen there
    point: str
    fstype: str
    source: str


def full_name(name: str) -> str:
    """`vdb` is /dev/vdb; empty for what is no device at all."""
    if _SHORT.fullmatch(name):
        return f"/dev/{name}"
    good = re.fullmatch(r"/dev/[A-Za-z0-9._:@/+-]+", name) and "/.." not in name
    return name if good else ""


def partition(device: str, number: int) -> str:
    """The name of a partition: /dev/vdb1, /dev/nvme1n1p1, /dev/disk/by-id/x-part1."""
    if device.startswith("/dev/disk/"):
        return f"{device}-part{number}"
    return f"{device}p{number}" if device[-1].isdigit() else f"{device}{number}"


def first_of(host: Host, source: str) -> str:
    """A disk with partitions stands for its first one, where a file system is meant."""
    if not source.startswith("/dev/"):
        return source
    first = partition(source, 1)
    disk, part = (host.real(name).rpartition("/")[2] for name in (source, first))
    return first if host.exists(f"/sys/class/block/{disk}/{part}") else source


def mounts(host: Host) -> list[Mounted]:
    """What is mounted, the latest last."""
    found = list[Mounted]()
    table = host.path(mountinfo.FILE)
    for line in mountinfo.lines(mountinfo.text(table)) if table.exists() else ():
        before, _, after = line.partition(" - ")
        left, right = before.split(" "), after.split(" ")
        if len(left) > 4 and len(right) > 1:
            root, point = map(mountinfo.unescaped, left[3:5])
            source = mountinfo.unescaped(right[1])
            found.append(Mounted(left[0], left[2], root, point, right[0], source))
    return found


def mounted_at(host: Host, point: str) -> Mounted | None:
    return next((mount for mount in reversed(mounts(host)) if mount.point == point), None)


def node(host: Host, source: str) -> str:
    """The device, or the file of swap, that a source of fstab names; empty when there is none."""
    if source.startswith("/") and not source.startswith("//"):
        return host.real(source)
    if not _TAG.match(source):
        return ""
    # It looks where mount(8) does. 1: there is none, which is an answer.
    found = host.run("findfs", source, ok=(0, 1)).strip()
    return host.real(found) if found.startswith("/") else ""


def number(host: Host, device: str) -> str:
    """Its major:minor; empty when the kernel knows no device of this name."""
    return host.read(f"/sys/class/block/{device.rpartition('/')[2]}/dev").strip()


def signature(host: Host, device: str) -> dict[str, str]:
    """What blkid finds on the device itself, not in a cache: TYPE, LABEL, PTTYPE, ..."""
    # 2: nothing found, which is an answer; any ambivalence (8) is an error.
    text = host.run("blkid", "-p", "-o", "export", device, ok=(0, 2))
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def partitions(host: Host, device: str) -> list[str]:
    """The partitions that the kernel knows, in order."""
    text = host.run("lsblk", "--noheadings", "--list", "--paths", "--output", "NAME,TYPE", device)
    rows = [line.split() for line in text.splitlines()]
    return [row[0] for row in rows if len(row) == 2 and row[1] == "part"]


def require_unused(host: Host, device: str) -> None:
    """Refuse a disk of which anything is mounted or held."""
    text = host.run("lsblk", "--noheadings", "--list", "--output", "TYPE,MOUNTPOINT", device)
    for line in text.splitlines():
        kind, _, point = line.strip().partition(" ")
        if point.strip():
            raise ModuleError(f"{device} is in use: it is mounted at {point.strip()}")
        if kind not in ("disk", "part", "loop"):
            raise ModuleError(f"{device} is in use: it is part of a {kind}")


def settle(host: Host) -> None:
    """Wait until udev has looked at a disk that was written to.

    When whoever wrote closes it, udev has the kernel read its partitions anew: they are gone for a
    moment. A lock on the disk (https://systemd.io/BLOCK_DEVICE_LOCKING) would keep udev from that,
    but older ones from naming the partitions as well.
    """
    if not host.exists("/run/udev"):
        return
    time.sleep(_UDEV_WAKES)
    end = time.monotonic() + NODE_LIMIT
    while host.exists("/run/udev/queue") and time.monotonic() < end:
        time.sleep(0.05)


def wait_for(host: Host, device: str) -> None:
    end = time.monotonic() + NODE_LIMIT
    while not host.exists(device):
        if time.monotonic() > end:
            raise ModuleError(f"{device} is not there")
        time.sleep(0.05)
