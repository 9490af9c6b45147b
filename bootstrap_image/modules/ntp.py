# SPDX-License-Identifier: Apache-2.0
"""ntp: servers and pools for the host's chrony, or its systemd-timesyncd."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bootstrap_image.host import ModuleError
from bootstrap_image.module import Module, Params

if TYPE_CHECKING:
    from bootstrap_image.host import Host
    from bootstrap_image.table import Table

_NAME = re.compile(r"[A-Za-z0-9:._-]{1,253}")
_CLIENTS = ("auto", "chrony", "systemd-timesyncd")
_CHRONY = ("/etc/chrony/chrony.conf", "/etc/chrony.conf")
_TIMESYNCD = "/etc/systemd/timesyncd.conf.d/90-hatchway.conf"
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
    chrony = next((path for path in _CHRONY if host.exists(path)), "")
    wants = params["client"]
    if wants != "systemd-timesyncd" and chrony:
        text = chrony_text(host.read(chrony), params["servers"], params["pools"])
        host.write(chrony, text.encode())
        _restart(host, "chrony.service" if _has(host, "chrony.service") else "chronyd.service")
    elif wants != "chrony" and _has(host, "systemd-timesyncd.service"):
        names = " ".join([*params["servers"], *params["pools"]])
        host.write(_TIMESYNCD, f"[Time]\nNTP={names}\n".encode())
        _restart(host, "systemd-timesyncd.service")
    else:
        found = "chrony and no systemd-timesyncd" if wants == "auto" else wants
        raise ModuleError(f"the host has no {found}")


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


def _restart(host: Host, unit: str) -> None:
    # A unit that has not started yet reads the file when it does: this must not wait for it.
    host.run("systemctl", "--no-block", "try-restart", unit)
    host.say(f"{unit} has the new sources")


MODULE = Module(
    "ntp", _read, _act,
    lambda params: [f"NTP from {', '.join([*params['servers'], *params['pools']])}"],
)  # fmt: skip
