# SPDX-License-Identifier: Apache-2.0
"""What a machine's firmware, and whoever boots it, say of where its user data is.

DMI names the cloud, if any: https://docs.cloud-init.io/en/latest/development/datasource_creation.html
A seed is asked for as cloud-init has it, with `ds=nocloud` in the system's serial number or on the
kernel's command line.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Final

DMI: Final = Path("/sys/class/dmi/id")
COMMAND_LINE: Final = Path("/proc/cmdline")
# A cloud whose user data we cannot read.
FOREIGN: Final = "none"

_FIELDS: Final = (
    *("sys_vendor", "product_name", "product_serial", "product_uuid"),
    *("bios_vendor", "bios_version", "chassis_asset_tag"),
)
# The machine's maker, or its product -> the source.
_MAKERS: Final = {
    "alibaba cloud": "aliyun",
    "alibaba cloud ecs": "aliyun",
    "amazon ec2": "aws",
    "google": "gce",
    "google compute engine": "gce",
    "openstack foundation": "openstack",
    "openstack nova": "openstack",
    "openstack compute": "openstack",
    **dict.fromkeys(
        (
            *("3ds outscale", "akamai", "apache software foundation", "digitalocean", "e24cloud"),
            *("exoscale", "hetzner", "huawei cloud", "ibm cloud", "joyent", "linode", "nwcs"),
            *("oraclecloud.com", "ovhcloud", "scaleway", "tencent cloud", "upcloud", "vultr"),
            *("yandex", "yandex cloud"),
        ),
        FOREIGN,
    ),
}
_PRODUCTS: Final = ("cloudstack", "exoscale", "smartdc")  # they begin so
# Clouds that show themselves nowhere but here.
_ASSET_TAGS: Final = (
    "7783-7084-3265-9085-8269-3286-77",  # Azure; Hyper-V elsewhere has the same maker
    *("oraclecloud.com", "opentelekomcloud", "sap ccloud vm", "huaweicloud"),
    *("samsung cloud platform", "ibmcloud"),
)
_SEED: Final = ("ds=nocloud", "ds=nocloud-net")


@dataclasses.dataclass(frozen=True, slots=True)
class Firmware:
    """`told` has the fields of DMI in small letters, empty ones too."""

    told: dict[str, str]
    command_line: str

    @classmethod
    def read(cls, dmi: Path = DMI, command_line: Path = COMMAND_LINE) -> Firmware:
        return cls({name: _text(dmi / name).lower() for name in _FIELDS}, _text(command_line))

    def asks_for_seed(self) -> bool:
        """Whether whoever made or boots this machine says that its user data is in a seed."""
        words = (*self.told["product_serial"].split(), *self.command_line.split())
        return any(word.partition(";")[0] in _SEED for word in words)

    def cloud(self) -> str:
        """The source of the cloud that the firmware names, or FOREIGN, or nothing."""
        told = self.told
        for name in ("sys_vendor", "product_name", "bios_vendor"):
            if told[name] in _MAKERS:
                return _MAKERS[told[name]]
        if self._is_older_ec2():
            return "aws"
        if told["product_serial"].startswith("googlecloud-"):
            return "gce"
        tag = told["chassis_asset_tag"]
        if tag in ("openstack nova", "openstack compute"):
            return "openstack"
        foreign = (
            tag in _ASSET_TAGS
            or tag.endswith(".zstack.io")
            or told["product_serial"].endswith(".brightbox.com")
            or told["product_name"].startswith(_PRODUCTS)
        )
        return FOREIGN if foreign else ""

    def _is_older_ec2(self) -> bool:
        """Whether this is of the older types, whose firmware does not name their maker."""
        told = self.told
        return told["sys_vendor"] == "xen" and (
            told["bios_version"].endswith(".amazon") or told["product_uuid"].startswith("ec2")
        )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
