# SPDX-License-Identifier: Apache-2.0
"""Processes and sockets of the host, from proc(5)."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PF_KTHREAD: Final = 0x00200000  # include/linux/sched.h
LISTEN: Final = "0A"  # include/net/tcp_states.h
ESTABLISHED: Final = "01"


@dataclasses.dataclass(frozen=True, slots=True)
class Process:
    """A process that cannot be mistaken for a later one with the same pid.

    `started` is in clock ticks since boot, as field 22 of /proc/PID/stat has it.
    """

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process of that pid, if there is one that is no zombie."""
        fields = _stat(pid)
        return None if not fields or fields[0] in "ZX" else cls(pid, int(fields[19]))

    def alive(self) -> bool:
        return self.pid > 0 and Process.of(self.pid) == self

    def since(self) -> float:
        """When it began, in seconds since the epoch."""
        ticks = os.sysconf("SC_CLK_TCK")
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + self.started / ticks


def descends_from(ancestor: int) -> bool:
    """Whether that process is among those that started us."""
    pid = os.getpid()
    while pid and pid != ancestor:
        fields = _stat(pid)
        pid = int(fields[1]) if fields else 0
    return pid == ancestor


def is_kernel_thread(pid: int) -> bool:
    fields = _stat(pid)
    return bool(fields) and bool(int(fields[6]) & PF_KTHREAD)


def is_stopped(pid: int) -> bool:
    """Whether a signal or a debugger stopped it."""
    fields = _stat(pid)
    return bool(fields) and fields[0] in "Tt"


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on, or none."""
    try:
        # The name in parentheses may itself hold blanks and parentheses, and be no text.
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].decode().split()
    except OSError:
        return []


@dataclasses.dataclass(frozen=True, slots=True)
class TcpSocket:
    """A line of /proc/net/tcp or tcp6, decoded."""

    address: str
    port: int
    peer: str
    peer_port: int
    state: str
    inode: str


def tcp_sockets(text: str | None = None) -> Iterator[TcpSocket]:
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
            yield TcpSocket(*local, *remote, fields[3], fields[9])


def _endpoint(text: str) -> tuple[str, int]:
    """`0100007F:0016` is 127.0.0.1:22: words of 32 bits in the byte order of the machine."""
    address, _, port = text.partition(":")
    raw = bytes.fromhex(address)
    words = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    if len(words) == 4:
        return socket.inet_ntop(socket.AF_INET, words), int(port, 16)
    name = socket.inet_ntop(socket.AF_INET6, words)
    return name.removeprefix("::ffff:"), int(port, 16)


def listener(
    address: str, port: int, sockets: Iterable[TcpSocket] | None = None
) -> TcpSocket | None:
    """Who already listens where `address` (empty for all) and `port` would."""
    for found in tcp_sockets() if sockets is None else sockets:
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


def children() -> set[int]:
    """Our own children, of every thread (CONFIG_PROC_CHILDREN)."""
    found: set[int] = set()
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            found.update(int(pid) for pid in (thread / "children").read_text().split())
    return found


def end_marked(mark: bytes, number: int) -> int:
    """Signal every process with `mark` (`NAME=VALUE`) in its environment; how many there were."""
    count = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), number)
                count += 1
    return count


def title(pid: int) -> str:
    """The command line as ps shows it, or the bare name of a kernel thread.

    Whoever runs a program chooses both: they come on one line, without a terminal's commands.
    """
    with contextlib.suppress(OSError):
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").strip()
        line = line or Path(f"/proc/{pid}/comm").read_bytes().strip()
        return "".join(map(_shown, line.decode("utf-8", "replace")))
    return ""


def _shown(character: str) -> str:
    if character.isspace():
        return " "
    return character if character.isprintable() else "?"
