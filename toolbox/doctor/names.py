# SPDX-License-Identifier: Apache-2.0
"""Name resolution: whether the servers of resolv.conf answer at all. Nobody else is asked."""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import os
import select
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from toolbox.doctor.diagnosis import Diagnosis

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE: Final = 1.5  # seconds
_MOST: Final = 3  # as resolv.conf(5)
# RFC 1035, 4.1: flags "recursion desired", one question, for the root's NS: every server knows it.
_QUESTION: Final = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + b"\x00" + b"\x00\x02\x00\x01"


@dataclasses.dataclass(frozen=True, slots=True)
class Resolution:
    """Servers by address, with the seconds that each took, or None for silence."""

    servers: tuple[tuple[str, float | None], ...]
    configured: bool = True


def read(path: Path = Path("/etc/resolv.conf")) -> Resolution:
    """Ask each server once, all at the same time; any answer will do."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Resolution((), configured=False)
    found = servers(text)
    return Resolution(tuple(_ask(found).items()), configured=bool(found))


def servers(text: str) -> list[str]:
    """The addresses of a resolv.conf, as the C library takes them."""
    lines = (line.split() for line in text.splitlines())
    found = [words[1] for words in lines if words[:1] == ["nameserver"] and len(words) > 1]
    return [address for address in dict.fromkeys(found) if _is_address(address)][:_MOST]


def _is_address(text: str) -> bool:
    # A name would be looked up, by the very servers that may be dead: minutes, for nothing.
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(text))
    return False


def _ask(addresses: list[str]) -> dict[str, float | None]:
    answers: dict[str, float | None] = dict.fromkeys(addresses)
    began = time.monotonic()
    sockets: dict[int, tuple[socket.socket, str]] = {}
    try:
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            sockets[sock.fileno()] = (sock, address)
            try:
                sock.connect((address, 53))
                sock.send(os.urandom(2) + _QUESTION)
            except OSError:
                continue
        late = False
        while None in answers.values() and not late:
            # A last look also when we were kept from looking: what came in time is an answer.
            left = max(began + _PATIENCE - time.monotonic(), 0)
            late = left == 0
            for fd in select.select(list(sockets), [], [], left)[0]:
                sock, address = sockets.pop(fd)
                with sock:
                    try:
                        sock.recv(512)
                        answers[address] = time.monotonic() - began
                    except OSError:
                        continue  # refused: there is a host, and no server on it
            if not sockets:
                break
    finally:
        for sock, _ in sockets.values():
            sock.close()
    return answers


def check(resolution: Resolution) -> Iterator[Diagnosis]:
    silent = [address for address, seconds in resolution.servers if seconds is None]
    evidence = tuple(
        f"nameserver {address}: " + ("no answer" if seconds is None else f"{seconds * 1000:.0f} ms")
        for address, seconds in resolution.servers
    )
    if not resolution.configured:
        yield Diagnosis(
            "names.unconfigured",
            "warning",
            "no name server is configured",
            ("/etc/resolv.conf has no nameserver with an address",),
            "Look at the network's configuration (DHCP, systemd-resolved).",
        )
    elif silent:
        every = len(silent) == len(resolution.servers)
        yield Diagnosis(
            "names.silent",
            "critical" if every else "warning",
            "no name server answers" if every else f"no answer from {', '.join(silent)}",
            evidence,
            "Look at routes and firewalls towards it; `/etc/resolv.conf` says who wrote it.",
        )
