# SPDX-License-Identifier: Apache-2.0
"""Whether the door can stand where it is asked for."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from launcher import proc, tcp
from launcher.errors import DoorError

if TYPE_CHECKING:
    from launcher.settings import Listen


def require_ours(listen: Listen) -> None:
    """Refuse an address that no interface of this host has."""
    family = socket.AF_INET6 if ":" in listen.address else socket.AF_INET
    with socket.socket(family) as trial:
        try:
            trial.bind((listen.address, 0))
        except OSError as error:
            message = f"cannot listen on {listen.address}: {error.strerror}"
            hint = "Choose an address of this host, or leave it out to listen on all of them."
            raise DoorError("door.address", message, hint) from None


def meant(listen: str) -> str:
    """The same for every way in which people write that every address is to do."""
    return "" if listen == "0.0.0.0" else listen  # noqa: S104 - asked for


def require_free(listen: Listen) -> None:
    """Refuse a port that another program holds, by name of who holds it."""
    found = tcp.listener(listen.address, listen.port)
    if found is None:
        return
    owner = tcp.owner(found.inode)
    name = f"{proc.title(owner.pid)} (pid {owner.pid})" if owner else "a program out of sight"
    message = f"port {listen.port} is held by {name}"
    hint = "Choose another: --listen PORT or --listen ADDRESS:PORT"
    raise DoorError("door.port-busy", message, hint, pid=owner.pid if owner else 0)
