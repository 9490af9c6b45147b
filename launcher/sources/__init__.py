# SPDX-License-Identifier: Apache-2.0
"""Where user data comes from: one small file each, and here the table that names them.

Which one is asked is a setting, or told by the machine's own firmware (DMI): a service is never
tried on the chance that it might answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from launcher.errors import SettingsError
from launcher.sources import aliyun, aws, gce, nocloud, openstack
from launcher.sources.base import NONE, Found
from launcher.sources.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable

DMI: Final = Path("/sys/class/dmi/id")

TABLE: Final[dict[str, Callable[[Service], Found]]] = {
    "aliyun": aliyun.read,
    "aws": aws.read,
    "gce": gce.read,
    "openstack": openstack.read,
}
ADDRESSES: Final = {
    "aliyun": aliyun.ADDRESS,
    "aws": aws.ADDRESS,
    "gce": gce.ADDRESS,
    "openstack": openstack.ADDRESS,
}
_FIRMWARE: Final = ("sys_vendor", "product_name", "bios_vendor", "bios_version", "product_uuid")
# What the firmware of a machine says of its maker -> the source.
_MAKERS: Final = {
    "alibaba cloud": "aliyun",
    "amazon ec2": "aws",
    "google": "gce",
    "google compute engine": "gce",
    "openstack foundation": "openstack",
    "openstack nova": "openstack",
    "openstack compute": "openstack",
}


def detect(dmi: Path = DMI) -> str:
    """The source that this machine's firmware points to, `nocloud` for a seed, or `none`."""
    if nocloud.present():
        return "nocloud"
    told = {name: _told(dmi / name) for name in _FIRMWARE}
    for name in ("sys_vendor", "product_name", "bios_vendor"):
        if told[name] in _MAKERS:
            return _MAKERS[told[name]]
    if told["sys_vendor"] == "xen" and (
        told["bios_version"].endswith(".amazon") or told["product_uuid"].startswith("ec2")
    ):
        return "aws"  # the older types, whose firmware does not name their maker
    return "none"


def _told(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip().lower()
    except OSError:
        return ""


def read(name: str, address: str = "") -> Found:
    """Ask the source `name`; `HostError` when it should answer and does not.

    `address` replaces the well-known one of a metadata service, as `http://HOST[:PORT]`.
    """
    if name == "auto":
        name = detect()
    if name == "none":
        return NONE
    if name == "nocloud":
        return nocloud.read()
    if name not in TABLE:
        known = ", ".join(("auto", "none", "nocloud", *TABLE))
        message = f"there is no source of user data {name!r}"
        raise SettingsError("settings.invalid", message, f"Choose {known}.")
    return TABLE[name](Service(name, address or ADDRESSES[name]))
