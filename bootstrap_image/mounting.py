# SPDX-License-Identifier: Apache-2.0
"""What fstab says, done now: mounts, which pass back to the host, and swap."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bootstrap_image import devices, places
from bootstrap_image.host import ModuleError

if TYPE_CHECKING:
    from bootstrap_image.host import Host


def mount_at(point: str, source: str, options: str, host: Host) -> None:
    """Mount what fstab has for `point`, unless it is mounted there."""
    place = _place(point, host)
    before = devices.mounted_at(host, place)
    if before and _same(source, options, before, host):
        host.say(f"{point} is mounted already")
        return
    host.path(place).mkdir(parents=True, exist_ok=True)
    try:
        host.run("mount", point)
    except ModuleError as error:
        raise ModuleError(f"{point}: {error}") from error
    # With `nofail`, mount(8) says nothing when there is no such device.
    if devices.mounted_at(host, place) == before:
        raise ModuleError(f"{point}: nothing was mounted; is the device there?")
    host.say(f"mounted {point}")


def _place(point: str, host: Host) -> str:
    """Where links lead: the host sees the mount only below what it shares with the container."""
    place = host.real(point)
    if problem := places.mount_problem(place):
        raise ModuleError(f"{point} leads to {place} by a link: {problem}")
    top = places.top(place)
    if not devices.mounted_at(host, top):
        raise ModuleError(f"{point}: the host has no {top}")
    return place


def _same(source: str, options: str, mount: devices.Mounted, host: Host) -> bool:
    """Whether this is the mount that a line of fstab asks for."""
    device = devices.node(host, source)
    if not device:
        return mount.source == source
    part = re.search(r"(?:^|,)subvol=/?([^,]*)", options)
    # What is a directory of the disk elsewhere is not the disk.
    whole = mount.root == (f"/{part[1]}" if part else "/")
    # btrfs has a number of its own; other names may be those of another /dev.
    return whole and (
        mount.device == devices.number(host, device) or mount.source in (source, device)
    )


def swap_on(source: str, host: Host) -> None:
    used = {line.split()[0] for line in host.read("/proc/swaps").splitlines() if line.split()}
    if {source, devices.node(host, source)} & used:
        host.say(f"{source} is used as swap already")
        return
    host.run("swapon", source)
    host.say(f"{source} is used as swap")
