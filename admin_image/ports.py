# SPDX-License-Identifier: Apache-2.0
"""Who listens where, by the kernel's tables: the container has the host's network and pids."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

from admin_image.errors import DoorError
from admin_image.files import read_text

_LISTEN = "0A"
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


def require_free(listen: str, port: int) -> None:
    """Bind where sshd will; `DoorError` with the holder's name if that fails.

    sshd itself is content when one of several addresses can be bound, and would open a door that
    is another program's for half of the world.
    """
    for family, address in _addresses(listen):
        try:
            _bind(family, address, port)
        except OSError as error:
            if error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL) and not listen:
                continue  # a host without IPv6
            raise DoorError(*_refusal(error, listen, port)) from error


def inodes(port: int) -> set[int]:
    """Inodes of the sockets that listen on `port`."""
    return {inode for path in _TABLES for inode in listening(read_text(path), port)}


def listening(table: str, port: int) -> list[int]:
    """Read /proc/net/tcp (proc_net_tcp): `sl local rem st ...`, the inode tenth."""
    rows = (line.split() for line in table.splitlines()[1:])
    found = (row for row in rows if len(row) > 9 and row[3] == _LISTEN)
    return [int(row[9]) for row in found if int(row[1].rpartition(":")[2], 16) == port]


def sockets_of(pid: int | str) -> set[int]:
    """Inodes of a process's open sockets; empty when it is gone or not ours to see."""
    try:
        links = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return set()
    targets = [_target(link) for link in links]
    return {int(target[8:-1]) for target in targets if target.startswith("socket:[")}


def _target(link: Path) -> str:
    try:
        return link.readlink().as_posix()
    except OSError:
        return ""  # closed meanwhile


def holder(port: int) -> str:
    """Name and pid of who listens on `port`, as far as /proc tells."""
    wanted = inodes(port)
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and wanted & sockets_of(process.name):
            name = read_text(f"{process}/comm").strip()
            return f"{name} (pid {process.name})"
    return "a process that cannot be seen from here"


def _addresses(listen: str) -> list[tuple[socket.AddressFamily, str]]:
    if not listen:
        return [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]  # noqa: S104 - asked for
    return [(socket.AF_INET6 if ":" in listen else socket.AF_INET, listen)]


def _bind(family: socket.AddressFamily, address: str, port: int) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As sshd does: sessions of a door before this one linger in TIME_WAIT.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # With its scope (`fe80::1%eth0`) resolved.
        flags = socket.AI_NUMERICHOST
        found = socket.getaddrinfo(address, port, family, socket.SOCK_STREAM, flags=flags)
        probe.bind(found[0][4])
        # REUSEADDR lets two sockets bind as long as neither listens.
        probe.listen(1)


def _refusal(error: OSError, listen: str, port: int) -> tuple[str, str]:
    place = f"{listen or 'every address'} port {port}"
    if error.errno == errno.EADDRINUSE:
        return "door.port-busy", f"{place} is taken by {holder(port)}"
    return "door.spec", f"cannot listen on {place}: {error.strerror}"
