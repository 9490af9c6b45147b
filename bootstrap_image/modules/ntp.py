# SPDX-License-Identifier: Apache-2.0
"""ntp: servers and pools for the host's chrony, or its systemd-timesyncd.

Without any, the client runs with the sources that the host gives it, or with the default pools.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from bootstrap_image import time_sources
from bootstrap_image.host import ModuleError
from bootstrap_image.module import Module, Params

if TYPE_CHECKING:
    from bootstrap_image.host import Host
    from bootstrap_image.table import Table

_NAME = re.compile(r"[A-Za-z0-9:._-]{1,253}")
_CLIENTS = ("auto", "chrony", "systemd-timesyncd")
# Debian's and others' names of the same.
_KNOWN = (
    ("chrony", "chrony.service", "/etc/chrony/chrony.conf"),
    ("chrony", "chronyd.service", "/etc/chrony.conf"),
    (
        "systemd-timesyncd",
        "systemd-timesyncd.service",
        "/etc/systemd/timesyncd.conf.d/90-hatchway.conf",
    ),
)
# For a chrony that had no configuration in /etc.
_EMPTY = "driftfile /var/lib/chrony/drift\nmakestep 1.0 3\nrtcsync\n"


def _read(config: Table) -> Params | None:
    if "ntp" not in config:
        config.value("ntp")
        return None
    table = config.table("ntp")
    enabled, client = table.flag("enabled", default=True), table.text("ntp_client", "auto")
    servers, pools = table.texts("servers"), table.texts("pools")
    table.close()
    for key, names in (("servers", servers), ("pools", pools)):
        for name in names:
            if not _NAME.fullmatch(name):
                table.error(key, "expected host names or addresses")
                return None
    if client not in _CLIENTS:
        table.error("ntp_client", f"expected one of {', '.join(_CLIENTS)}")
        return None
    # `{}` is left where a template had nothing to fill in; whoever wants the time says so.
    if not enabled or not (servers or pools or "enabled" in table or "ntp_client" in table):
        return None
    return {"servers": servers, "pools": pools, "client": client}


def _act(params: Params, host: Host) -> None:
    client = _client(params["client"], host)
    before, named = host.read(client.file), bool(params["servers"] or params["pools"])
    own = not named and _has_own(client, before, host)
    pools = params["pools"] if named else time_sources.default_pools(host)
    text = _own(client, before) if own else _ours(client, before, params["servers"], pools)
    if text:
        host.write(client.file, text.encode())
    else:
        host.remove(client.file)
    _restart(client, host, changed=text != before)
    host.say(f"{client.unit} has {'the sources of the host' if own else 'the new sources'}")


def _own(client: _Client, before: str) -> str:
    """The file without ours; empty where there was none."""
    return time_sources.chrony_own(before) if client.name == "chrony" else ""


def _ours(client: _Client, before: str, servers: list[str], pools: list[str]) -> str:
    if client.name == "chrony":
        return time_sources.chrony_text(before or _EMPTY, servers, pools)
    # The empty one first: what the host lists elsewhere would be added to ours.
    return f"[Time]\nNTP=\nNTP={' '.join([*servers, *pools])}\n"


def _has_own(client: _Client, before: str, host: Host) -> bool:
    if client.name == "chrony":
        return time_sources.chrony_has_own(before, host)
    return time_sources.timesyncd_has_own(client.file, host)


@dataclasses.dataclass(frozen=True, slots=True)
class _Client:
    name: str
    unit: str
    file: str
    active: bool


def _client(wants: str, host: Host) -> _Client:
    """The one that was asked for; else the one that runs; else chrony, for somebody chose it."""
    there = [
        _Client(name, unit, file, _active(unit, host))
        for name, unit, file in _KNOWN
        if _has(host, unit)
    ]
    wanted = [client for client in there if wants in ("auto", client.name)]
    if wanted:
        return max(wanted, key=lambda client: client.active)
    if there:
        raise ModuleError(f"the host has no {wants}, but {there[0].name}: ntp_client could be auto")
    if wants == "auto":
        raise ModuleError("the host has no chrony and no systemd-timesyncd to set the clock")
    raise ModuleError(f"the host has no {wants}")


def _has(host: Host, unit: str) -> bool:
    places = ("/usr/lib/systemd/system", "/lib/systemd/system")
    return host.exists(f"/etc/systemd/system/{unit}") or any(
        host.on_host(f"{place}/{unit}") for place in places
    )


def _active(unit: str, host: Host) -> bool:
    # 3 is its word for "no", 4 for "no such unit".
    said = host.run("systemctl", "is-active", unit, ok=(0, 3, 4))
    return said.strip() in ("active", "activating", "reloading")


def _restart(client: _Client, host: Host, *, changed: bool) -> None:
    if client.active and changed:
        host.run("systemctl", "restart", client.unit)
    elif not client.active:
        host.run("systemctl", "enable", client.unit)
        # What waits for us, or for what comes after us, must not be waited for.
        host.run("systemctl", "--no-block", "start", client.unit)


MODULE = Module(
    "ntp", _read, _act,
    lambda params: [
        f"NTP from {', '.join([*params['servers'], *params['pools']]) or 'the default sources'}"
    ],
)  # fmt: skip
