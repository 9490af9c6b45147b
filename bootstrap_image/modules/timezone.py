# SPDX-License-Identifier: Apache-2.0
"""timezone: /etc/localtime leads to one of the zones that the host has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bootstrap_image.host import ModuleError
from bootstrap_image.module import Module, Params

if TYPE_CHECKING:
    from bootstrap_image.host import Host
    from bootstrap_image.table import Table

_ZONES = "/usr/share/zoneinfo"
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,3}")


def _read(config: Table) -> Params | None:
    zone = config.text("timezone")
    if zone and not _ZONE.fullmatch(zone):
        config.error("timezone", "expected a name such as Asia/Shanghai")
        return None
    return {"zone": zone} if zone else None


def _act(params: Params, host: Host) -> None:
    zone = params["zone"]
    if not host.on_host(f"{_ZONES}/{zone}"):
        raise ModuleError(f"the host has no time zone {zone}: {_ZONES} lacks it")
    host.link("/etc/localtime", f"{_ZONES}/{zone}")
    if host.exists("/etc/timezone"):
        host.write("/etc/timezone", f"{zone}\n".encode())
    host.say(f"the time zone is {zone}; what runs already sees it when it is restarted")


MODULE = Module("timezone", _read, _act, lambda params: [f"time zone {params['zone']}"])
