# SPDX-License-Identifier: Apache-2.0
"""The door for a reader: plain lines, the same on a terminal and in a cloud assistant's log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from launcher import door as doors
from launcher.door import host_fingerprint

if TYPE_CHECKING:
    from launcher.admin.status import Status
    from launcher.door import Door, Key

SHOWN_KEYS = 10


def render(status: Status) -> list[str]:
    """Status as text: state, reason, door, sessions."""
    ready = "" if status.ready or status.state != "open" else ", but not ready"
    lines = [f"state     {status.state}{ready}"]
    if status.reason is not None:
        lines.append(f"reason    {status.reason.message} [{status.reason.code}]")
        lines += [f"          | {line}" for line in status.reason.log.splitlines()]
        if status.reason.hint:
            lines.append(f"hint      {status.reason.hint}")
    if status.uncleared is not None:
        lines.append(f"left      {uncleared(status.uncleared)}")
    if status.door is not None and status.door.state == "open":
        lines += door(status.door)
    for session in status.sessions:
        lines.append(
            f"inside    {session.user} on {session.tty} from {session.address} "
            f"port {session.port} since {_when(session.since)}"
        )
    return lines


def uncleared(found: Door) -> str:
    """What is still to be cleared of a door that is closed, and who does it."""
    return (
        f"{found.runtime} still has the container {found.container}, without a process: "
        f"{found.uncleared}; the next start or stop removes it"
    )


def door(found: Door) -> list[str]:
    """What one needs to come in."""
    port = "" if found.port == 22 else f" -p {found.port}"
    lines = [
        f"login     ssh{port} {found.user}@{found.host}",
        *(f"host key  {host_fingerprint(key)} {key.split()[0]}" for key in found.host_keys),
        *(f"known     {line}" for line in found.known_hosts.splitlines()),
        f"since     {_when(found.opened)}",
        f"image     {found.image} {found.image_digest}",
        f"runtime   {found.runtime}, container {found.container}, pid {found.pid}",
    ]
    lines += _keys("key", found.keys)
    lines += _keys("ca", found.trusted_cas)
    lines += [f"principal {name}" for name in found.principals]
    lines += [f"note      {note}" for note in doors.notes(found)]
    return lines


def _keys(what: str, keys: tuple[Key, ...]) -> list[str]:
    lines = [f"{what:<9} {_key(key)}" for key in keys[:SHOWN_KEYS]]
    if len(keys) > SHOWN_KEYS:
        lines.append(f"{what:<9} and {len(keys) - SHOWN_KEYS} more")
    return lines


def _key(key: Key) -> str:
    words = (key.fingerprint, key.type, key.comment, key.source and f"from {key.source}")
    return " ".join(filter(None, words))


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(seconds))
