# SPDX-License-Identifier: Apache-2.0
"""manage_etc_hosts: the host's own name in its /etc/hosts; all other lines stay.

cloud-init's `true` writes the whole file from a template of the distribution. There is none here,
so that it is taken as `localhost`, and the two lines that every such template has are added.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bootstrap_image.module import Module, Params
from bootstrap_image.modules import hostname
from bootstrap_image.table import kind

if TYPE_CHECKING:
    from bootstrap_image.host import Host
    from bootstrap_image.table import Table

_FILE = "/etc/hosts"
_OWN = "127.0.1.1"
_ALWAYS = ("127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback")
_WAYS = {"true": True, "template": True, "localhost": True, "false": False}


def _read(config: Table) -> Params | None:
    value = config.value("manage_etc_hosts")
    if value is None:
        return None
    wanted = value if isinstance(value, bool) else _WAYS.get(str(value).lower())
    if wanted is None:
        config.error("manage_etc_hosts", f"expected true, false or localhost, found {kind(value)}")
    if not wanted:
        return None
    fqdn, name = config.text("fqdn"), config.text("hostname")
    if not all(hostname.is_name(each) for each in (fqdn, name) if each):
        return None  # said by the module that sets the name
    return {"names": names(fqdn or name, name or fqdn) if fqdn or name else []}


def names(fqdn: str, name: str) -> list[str]:
    """The full name first, then the short one: what `hostname -f` looks for."""
    return list(dict.fromkeys([fqdn, name.split(".", maxsplit=1)[0]]))


def _act(params: Params, host: Host) -> None:
    own = params["names"] or names(*[os.uname().nodename] * 2)
    host.write(_FILE, hosts(host.read(_FILE), own).encode())
    host.say(f"{_FILE} has {' '.join(own)}")


def hosts(text: str, own: list[str]) -> str:
    """The file with one line for our address; twice the same changes nothing."""
    lines = [line for line in text.splitlines() if line.split()[:1] != [_OWN]]
    there = {line.split()[0] for line in lines if "localhost" in line.split("#")[0].split()[1:]}
    missing = [line for line in _ALWAYS if line.split("\t")[0] not in there]
    return "\n".join([*missing, *lines, f"{_OWN}\t{' '.join(own)}"]) + "\n"


MODULE = Module(
    "manage_etc_hosts", _read, _act,
    lambda params: [f"{' '.join(params['names']) or 'the name'} in {_FILE}"],
)  # fmt: skip
