# SPDX-License-Identifier: Apache-2.0
"""Where user data comes from: one small file each, and here the table that names them.

Which one is asked is a setting, or told by the machine's own firmware (DMI): a service is never
tried on the chance that it might answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from launcher.errors import SettingsError
from launcher.sources import aliyun, aws, gce, nocloud, openstack
from launcher.sources.base import NONE, Found
from launcher.sources.firmware import Firmware
from launcher.sources.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable

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


def detect(told: Firmware | None = None) -> str:
    """The source that this machine's firmware points to, `nocloud` for a seed, or `none`.

    In a cloud a seed counts only when it is asked for: whoever may attach a volume to a machine
    could else run what he likes on it, as root.
    """
    told = told or Firmware.read()
    if told.asks_for_seed():
        return "nocloud"
    return told.cloud() or ("nocloud" if nocloud.present() else "none")


def read(name: str, address: str = "") -> Found:
    """Ask the source `name`; `HostError` when it should answer and does not.

    `address` replaces the well-known one of a metadata service, as `http://HOST[:PORT]`.
    """
    told = Firmware.read()
    asked = name == "nocloud" or told.asks_for_seed()
    if name == "auto":
        name = detect(told)
    if name == "none":
        return NONE
    if name == "nocloud":
        return nocloud.read(asked=asked)
    if name not in TABLE:
        known = ", ".join(("auto", "none", "nocloud", *TABLE))
        message = f"there is no source of user data {name!r}"
        raise SettingsError("settings.invalid", message, f"Choose {known}.")
    return TABLE[name](Service(name, address or ADDRESSES[name]))
