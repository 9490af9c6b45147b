# SPDX-License-Identifier: Apache-2.0
"""sysctl (ours, not cloud-init's): a table of kernel parameters, kept and set at once."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from bootstrap_image.host import ModuleError
from bootstrap_image.module import Module, Params
from bootstrap_image.scalars import plain
from bootstrap_image.table import as_text, kind

if TYPE_CHECKING:
    from bootstrap_image.host import Host
    from bootstrap_image.table import Table

_FILE = "/etc/sysctl.d/90-hatchway.conf"
_NAME = re.compile(r"[a-z]\w*([./-]\w[\w-]*)+", re.ASCII)


def _read(config: Table) -> Params | None:
    table, values = config.table("sysctl"), dict[str, str]()
    for name, value in table.items():
        switch = isinstance(plain(value), bool)
        text = str(int(plain(value))) if switch else as_text(value)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            table.error(name, "this is no name of a kernel parameter, such as net.ipv4.ip_forward")
        elif text is None or "\n" in text or "\0" in text:
            table.error(name, f"expected a number or a text on one line, found {kind(value)}")
        else:
            values[name] = text.strip()
    return {"values": values} if values else None


def _act(params: Params, host: Host) -> None:
    lines = [f"{name} = {value}\n" for name, value in params["values"].items()]
    host.write(_FILE, "".join(lines).encode())

    def apply(item: tuple[str, str]) -> None:
        name, value = item
        try:
            descriptor = os.open(host.path(_proc(name)), os.O_WRONLY | os.O_CLOEXEC)
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{value}\n")
        except FileNotFoundError as error:
            raise ModuleError(f"this kernel has no {name} (is a module missing?)") from error
        except OSError as error:
            raise ModuleError(f"{name} cannot be {value}: {error.strerror}") from error
        host.say(f"{name} = {value}")

    host.each(params["values"].items(), apply)


def _proc(name: str) -> str:
    """As sysctl(8): the first separator decides, so that names of interfaces may hold dots."""
    first = re.search(r"[./]", name)
    if first and first[0] == "/":
        return f"/proc/sys/{name}"
    return f"/proc/sys/{name.translate(str.maketrans('./', '/.'))}"


MODULE = Module(
    "sysctl", _read, _act, lambda params: [f"sysctl {name}" for name in params["values"]]
)
