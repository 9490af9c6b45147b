# SPDX-License-Identifier: Apache-2.0
"""TCP sockets of the host and who holds them, from proc(5)."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

from launcher.proc import Process

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LISTEN: Final = "0A"  # include/net/tcp_states.h
ESTABLISHED: Final = "01"


@dataclasses.dataclass(frozen=True, slots=True)
class Socket:
    """A line of /proc/net/tcp or tcp6, decoded."""

    address: str
    port: int
    peer: str
    peer_port: int
    state: str
    inode: str


def sockets(text: str | None = None) -> Iterator[Socket]:
    """Every TCP socket of this network namespace; `text` stands in for the files."""
    if text is None:
        tables = []
        for name in ("tcp", "tcp6"):
            with contextlib.suppress(OSError):  # no IPv6
                tables.append(Path("/proc/net", name).read_text())
    else:
        tables = [text]
    for table in tables:
        for line in table.splitlines()[1:]:
            fields = line.split()
            local, remote = _endpoint(fields[1]), _endpoint(fields[2])
            yield Socket(*local, *remote, fields[3], fields[9])


def _endpoint(text: str) -> tuple[str, int]:
    """`0100007F:0016` is 127.0.0.1:22: words of 32 bits in the byte order of the machine."""
    address, _, port = text.partition(":")
    raw = bytes.fromhex(address)
    words = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    if len(words) == 4:
        return socket.inet_ntop(socket.AF_INET, words), int(port, 16)
    name = socket.inet_ntop(socket.AF_INET6, words)
    return name.removeprefix("::ffff:"), int(port, 16)


def listener(address: str, port: int, among: Iterable[Socket] | None = None) -> Socket | None:
    """Who already listens where `address` (empty for all) and `port` would."""
    for found in sockets() if among is None else among:
        if found.state == LISTEN and found.port == port and _meet(address, found.address):
            return found
    return None


def _meet(wanted: str, held: str) -> bool:
    if not wanted or held == "::":  # which may hold IPv4's as well
        return True
    if (":" in wanted) != (":" in held):
        return False
    return wanted == held or not {wanted, held}.isdisjoint(("0.0.0.0", "::"))  # noqa: S104


def owner(inode: str) -> Process | None:
    """The process that holds the socket with this inode."""
    return next((process for process, _ in holders({inode})), None)


def holders(inodes: set[str]) -> Iterator[tuple[Process, str]]:
    """Each process that holds one of these sockets, with the socket's inode."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        for link in _descriptors(int(entry.name)):
            if link in wanted and (process := Process.of(int(entry.name))):
                yield process, wanted[link]


def _descriptors(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                yield os.readlink(entry.path)  # noqa: PTH115 - thousands of them
