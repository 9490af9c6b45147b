# SPDX-License-Identifier: Apache-2.0
"""Names and addresses as stand-ins: the same one always gets the same, in every item.

The stand-ins keep their form, so that what reads an address still reads one: IPv4 from
198.18.0.0/15 (RFC 2544), IPv6 from 2001:db8::/32 (RFC 3849), MAC addresses that are locally
administered. What names no machine stays: loopback, wildcards, broadcast, netmasks.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_IPV4: Final = re.compile(rb"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d]|\.\d)")
_IPV6: Final = re.compile(
    rb"(?<![\w:.])(?:[0-9a-fA-F]{0,4}:){2,7}"
    rb"(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9a-fA-F]{0,4})(?![\w:])"
)
_MAC: Final = re.compile(rb"(?<![\w:])(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}(?![\w:])")
# An address within a name, as clouds name machines.
_IN_NAME: Final = re.compile(rb"(?<![\w-])ip-(?:\d{1,3}-){3}\d{1,3}(?!\d)")
_FIRST_IPV4: Final = int(ipaddress.IPv4Address("198.18.0.0"))
_FIRST_IPV6: Final = int(ipaddress.IPv6Address("2001:db8::"))
_PART: Final = 1 << 20
_COMMON: Final = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})


class Disguise:
    """Replaces in bytes of whole lines; `names` are the host names to look for."""

    def __init__(self, names: Iterable[str]) -> None:
        self._given: dict[str, dict[str, str]] = {"names": {}, "ipv4": {}, "ipv6": {}, "mac": {}}
        wanted = {name.lower() for name in names if len(name) > 1} - _COMMON
        # The longest first: a full name before the short one that it begins with.
        found = sorted(wanted, key=len, reverse=True)
        words = b"|".join(re.escape(name.encode()) for name in found)
        self._names = (
            re.compile(rb"(?<![\w])(?:%s)(?![\w])" % words, re.IGNORECASE) if words else None
        )

    def __call__(self, lines: bytes) -> bytes:
        if self._names is not None:
            lines = self._names.sub(lambda m: self._stand_in("names", m[0].lower(), _name), lines)
        if b"ip-" in lines:
            lines = _IN_NAME.sub(lambda m: self._stand_in("names", m[0], _name), lines)
        if b":" in lines or b"-" in lines:
            lines = _MAC.sub(lambda m: self._stand_in("mac", m[0].lower(), _mac), lines)
        if b":" in lines:
            lines = _IPV6.sub(self._ipv6, lines)
        return _IPV4.sub(self._ipv4, lines) if b"." in lines else lines

    def whole(self, text: bytes) -> bytes:
        """All of a text, some lines at a time: while they are replaced, matches take memory."""
        parts, at = [], 0
        while at < len(text):
            end = text.find(b"\n", at + _PART) + 1 or len(text)
            parts.append(self(text[at:end]))
            at = end
        return b"".join(parts)

    def mapping(self) -> dict[str, dict[str, str]]:
        """Each kind's originals with their stand-ins."""
        return {kind: dict(given) for kind, given in self._given.items()}

    def _ipv4(self, match: re.Match[bytes]) -> bytes:
        try:
            address = ipaddress.IPv4Address(match[0].decode())
        except ValueError:
            return match[0]
        if address.is_loopback or address.is_multicast or match[0].startswith((b"0.", b"255.")):
            return match[0]
        return self._stand_in("ipv4", str(address).encode(), _ipv4)

    def _ipv6(self, match: re.Match[bytes]) -> bytes:
        try:
            address = ipaddress.IPv6Address(match[0].decode())
        except ValueError:  # a time, or a digest
            return match[0]
        if address.is_loopback or address.is_unspecified or address.is_multicast:
            return match[0]
        return self._stand_in("ipv6", str(address).encode(), _ipv6)

    def _stand_in(self, kind: str, original: bytes, make: Callable[[int], str]) -> bytes:
        given = self._given[kind]
        return given.setdefault(original.decode(), make(len(given) + 1)).encode()


def known_names() -> set[str]:
    """The names by which this host knows itself, and those in its hosts file."""
    own = socket.gethostname()
    names = {own, own.partition(".")[0]}
    for path in (Path("/etc/hostname"), Path("/etc/hosts"), Path("/etc/resolv.conf")):
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            words = line.partition("#")[0].split()
            if path.name == "hostname":
                names.update(words)
            elif path.name == "hosts" or words[:1] in (["search"], ["domain"]):
                names.update(words[1:])
    return names


def _name(number: int) -> str:
    return f"host-{number}"


def _ipv4(number: int) -> str:
    return str(ipaddress.IPv4Address(_FIRST_IPV4 + number % (1 << 17)))


def _ipv6(number: int) -> str:
    return str(ipaddress.IPv6Address(_FIRST_IPV6 + number))


def _mac(number: int) -> str:
    raw = f"{number:08x}"
    return "02:00:" + ":".join(raw[i : i + 2] for i in range(0, 8, 2))
