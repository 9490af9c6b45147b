# SPDX-License-Identifier: Apache-2.0
"""Who is logged in through the door, as sshd's own processes show it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from launcher import proc, tcp

if TYPE_CHECKING:
    from collections.abc import Iterable

# sshd's process of a logged-in user: `sshd-session: admin@pts/3`, `sshd: admin@notty` before 9.8.
_TITLE: Final = re.compile(r"sshd(?:-session)?: (?P<user>[^\s@]+)@(?P<tty>\S+)")


class Session(NamedTuple):
    """One login; `since` is in seconds since the epoch, `tty` is `notty` for a command."""

    user: str
    tty: str
    address: str
    port: int
    since: float


def current(port: int, sockets: Iterable[tcp.Socket]) -> list[Session]:
    """The sessions of the sshd on `port` among all sockets of the host, oldest first."""
    inodes = {
        found.inode: found
        for found in sockets
        if found.port == port and found.state == tcp.ESTABLISHED
    }
    sessions = {}
    for process, inode in tcp.holders(set(inodes)) if inodes else ():
        match = _TITLE.match(proc.title(process.pid))
        if match:
            peer = inodes[inode]
            sessions[inode] = Session(
                match["user"], match["tty"].rstrip(), peer.peer, peer.peer_port, process.since()
            )
    return sorted(sessions.values(), key=lambda session: session.since)
