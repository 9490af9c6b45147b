# SPDX-License-Identifier: Apache-2.0
"""growpart and resize_rootfs: partitions to the end of their disk, file systems to that of those.

`/` stands for the host's root and for /var: these hosts boot from an image that never grows, and
keep everything in /var.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bootstrap_image import devices
from bootstrap_image.host import ModuleError
from bootstrap_image.module import Module, Params
from bootstrap_image.spec import HOST

if TYPE_CHECKING:
    from bootstrap_image.devices import Mounted
    from bootstrap_image.host import Host
    from bootstrap_image.table import Table

_OFF = ("off", "false", "no")


def _read(config: Table) -> Params | None:
    asked = "growpart" in config or "resize_rootfs" in config
    table = config.table("growpart")
    mode = table.text("mode", "auto").lower()
    targets = table.texts("devices") or ["/"]
    table.value("ignore_growroot_disabled")
    table.close()
    resize = config.value("resize_rootfs")
    resize = resize if resize is not None else True
    if not isinstance(resize, bool) and resize != "noblock":
        config.error("resize_rootfs", "expected true, false or noblock")
    if mode not in ("auto", "growpart", "gpart", *_OFF):
        table.error("mode", "expected auto, growpart or off")
        return None
    for target in targets:
        if not re.fullmatch(r"/[^\0\n]*", target) or "/../" in f"{target}/":
            table.error(
                "devices", "expected mount points such as /var, or devices such as /dev/vda2"
            )
            return None
    grow = mode not in _OFF
    if not asked or not (grow or resize):
        return None
    return {"targets": targets, "grow": grow, "resize": bool(resize)}


def _act(params: Params, host: Host) -> None:
    found = list(
        dict.fromkeys(point for target in params["targets"] for point in _points(target, host))
    )
    if not found:
        host.say("nothing here can grow: no partition with ext4 or xfs")

    def grow(mount: Mounted) -> None:
        device = _device(mount, host)
        if params["grow"]:
            _grow(mount, device, host)
        if params["resize"]:
            _resize(mount, device, host)

    host.each(found, grow)


def _points(target: str, host: Host) -> list[Mounted]:
    if target == "/":
        names = [devices.mounted_at(host, point) for point in (HOST, "/var")]
        # An image as root is no failure: there is nothing to grow.
        return _distinct([mount for mount in names if mount and _grows(mount)])
    if target.startswith("/dev/"):
        real = host.real(target)
        found = [mount for mount in devices.mounts(host) if mount.source in (target, real)]
    else:
        point = devices.mounted_at(host, target)
        found = [point] if point else []
    if not found:
        raise ModuleError(f"nothing is mounted from or at {target}")
    if not _grows(found[0]):
        raise ModuleError(f"{target} is {found[0].fstype}: only ext4 and xfs are grown")
    return [found[0]]


def _distinct(found: list[Mounted]) -> list[Mounted]:
    return list({mount.device: mount for mount in found}.values())


def _grows(mount: Mounted) -> bool:
    return mount.fstype in ("ext2", "ext3", "ext4", "xfs") and not mount.device.startswith("0:")


def _device(mount: Mounted, host: Host) -> str:
    """By the kernel's number: names in mountinfo may be those of another /dev."""
    return f"/dev/{host.path(f'/sys/dev/block/{mount.device}').resolve().name}"


def _grow(mount: Mounted, device: str, host: Host) -> None:
    place = host.path(f"/sys/dev/block/{mount.device}").resolve()
    if not (place / "partition").exists():
        host.say(f"{device} is no partition: there is only its file system to grow")
        return
    number = (place / "partition").read_text().strip()
    # 1 is growpart's word for "it fills its disk already".
    text = host.run("growpart", f"/dev/{place.parent.name}", number, ok=(0, 1))
    host.say(text.strip() or f"{device} was grown")


def _resize(mount: Mounted, device: str, host: Host) -> None:
    if mount.fstype == "xfs":
        host.run("xfs_growfs", mount.point)
    else:
        host.run("resize2fs", device)
    host.say(f"the file system of {mount.point} fills {device}")


def _describe(params: Params) -> list[str]:
    words = [
        word for word, wanted in (("grow", params["grow"]), ("resize", params["resize"])) if wanted
    ]
    return [f"{' and '.join(words)} {target}" for target in params["targets"]]


MODULE = Module("growpart", _read, _act, _describe)
