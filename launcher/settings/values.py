# SPDX-License-Identifier: Apache-2.0
"""Values as people write them in settings and flags: addresses, sizes, base64."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import ipaddress
import re
from typing import Final

_DURATIONS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_UNITS: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


@dataclasses.dataclass(frozen=True, slots=True)
class Listen:
    """Where sshd listens: `address` is a literal, or empty for every address."""

    address: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}" if host else str(self.port)


def parse_listen(text: str) -> Listen:
    """`PORT`, `ADDRESS:PORT` or `[ADDRESS]:PORT`; `ValueError` says what is wrong."""
    address, _, port = text.strip().rpartition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        message = f"expected PORT or ADDRESS:PORT with a port from 1 to 65535, not {text!r}"
        raise ValueError(message)
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    elif ":" in address:
        message = f"an IPv6 address stands in brackets: [{address}]:{port}"
        raise ValueError(message)
    if address in ("", "*"):
        return Listen("", int(port))
    try:
        return Listen(str(ipaddress.ip_address(address)), int(port))
    except ValueError:
        message = f"{address!r} is no IP address; sshd listens on addresses, not names"
        raise ValueError(message) from None


def parse_size(text: str) -> int:
    """`512M` or `1G` or plain bytes, as a number of bytes; `ValueError` says what is wrong."""
    match = re.fullmatch(r"([0-9]+)([KMG]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    size = int(match[1]) * _UNITS[match[2].upper()] if match else 0
    if size < 64 * 2**20:
        message = f"expected a size of at least 64M, such as 512M or 1G, not {text!r}"
        raise ValueError(message)
    return size


def parse_duration(text: str) -> int:
    """`90`, `45m`, `12h`, `7d` or `4w`, as a number of seconds; `ValueError` says what is wrong."""
    match = re.fullmatch(r"([0-9]{1,9})([smhdw]?)", text.strip())
    seconds = int(match[1]) * _DURATIONS[match[2]] if match else 0
    if not seconds:
        message = f"expected a time such as 45m, 12h or 7d, not {text!r}"
        raise ValueError(message)
    return seconds


def decode_user_data(text: str) -> bytes:
    """The bytes behind the base64 of `user-data`; `ValueError` when it is none."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        raise ValueError("expected base64") from None
