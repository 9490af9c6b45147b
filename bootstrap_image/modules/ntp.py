# SPDX-License-Identifier: Apache-2.0
"""ntp: servers and pools for the host's chrony, or its systemd-timesyncd."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

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
_BEGIN, _END = "# hatchway: begin", "# hatchway: end"
_OFF = "#hatchway# "


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
    if not enabled or not (servers or pools):
        return None
    return {"servers": servers, "pools": pools, "client": client}


def _act(params: Params, host: Host) -> None:
    client = _client(params["client"], host)
    if client.name == "chrony":
        text = chrony_text(host.read(client.file) or _EMPTY, params["servers"], params["pools"])
    else:
        # The empty one first: what the host lists elsewhere would be added to ours.
        text = f"[Time]\nNTP=\nNTP={' '.join([*params['servers'], *params['pools']])}\n"
    host.write(client.file, text.encode())
    _restart(client, host)


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


def chrony_text(text: str, servers: list[str], pools: list[str]) -> str:
    """The configuration with our sources instead of its own; twice the same changes nothing."""
    kept, ours = list[str](), False
    for line in text.splitlines():
        ours = ours or line == _BEGIN
        if not ours:
            kept.append(f"{_OFF}{line}" if re.match(r"\s*(server|pool|peer)\s", line) else line)
        ours = ours and line != _END
    sources = [f"server {name} iburst" for name in servers] + [
        f"pool {name} iburst" for name in pools
    ]
    return "\n".join([*kept, _BEGIN, *sources, _END]) + "\n"


def _has(host: Host, unit: str) -> bool:
    places = ("/usr/lib/systemd/system", "/lib/systemd/system")
    return host.exists(f"/etc/systemd/system/{unit}") or any(
        host.on_host(f"{place}/{unit}") for place in places
    )


def _active(unit: str, host: Host) -> bool:
    # 3 is its word for "no", 4 for "no such unit".
    said = host.run("systemctl", "is-active", unit, ok=(0, 3, 4))
    return said.strip() in ("active", "activating", "reloading")


def _restart(client: _Client, host: Host) -> None:
    if client.active:
        host.run("systemctl", "restart", client.unit)
    else:
        host.run("systemctl", "enable", client.unit)
        # What waits for us, or for what comes after us, must not be waited for.
        host.run("systemctl", "--no-block", "start", client.unit)
    host.say(f"{client.unit} has the new sources")


MODULE = Module(
    "ntp", _read, _act,
    lambda params: [f"NTP from {', '.join([*params['servers'], *params['pools']])}"],
)  # fmt: skip
