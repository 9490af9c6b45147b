# SPDX-License-Identifier: Apache-2.0
"""hostname, fqdn, preserve_hostname, prefer_fqdn_over_hostname."""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING

from bootstrap_image.host import ModuleError
from bootstrap_image.module import Module, Params

if TYPE_CHECKING:
    from bootstrap_image.host import Host
    from bootstrap_image.table import Table

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_LIMIT = 64  # uname(2): __NEW_UTS_LEN


def _read(config: Table) -> Params | None:
    hostname, fqdn = config.text("hostname"), config.text("fqdn")
    keep, full = config.flag("preserve_hostname"), config.flag("prefer_fqdn_over_hostname")
    for key, name in (("hostname", hostname), ("fqdn", fqdn)):
        if name and not is_name(name):
            config.error(key, "a host name has letters, digits and hyphens, at most 64")
            return None
    if "." in hostname and not fqdn:
        # As cloud-init: a full name, wherever it stands, gives its first label to the host, unless
        # all of it is asked for. kubelet's node is called after it.
        hostname, fqdn = "", hostname
    name = (fqdn if full else "") or hostname or fqdn.split(".")[0]
    return {"name": name} if name and not keep else None


def is_name(name: str) -> bool:
    return len(name) <= _LIMIT and all(map(_LABEL.fullmatch, name.split(".")))


def _act(params: Params, host: Host) -> None:
    name = params["name"]
    host.write("/etc/hostname", f"{name}\n".encode())
    if os.uname().nodename == name:
        host.say(f"the host's name is {name}")
        return
    try:
        socket.sethostname(name)
    except OSError as error:
        raise ModuleError(f"{name} holds from the next boot on; now: {error.strerror}") from error
    host.say(f"the host's name is now {name}")


MODULE = Module("hostname", _read, _act, lambda params: [f"host name {params['name']}"])
