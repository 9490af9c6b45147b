# SPDX-License-Identifier: Apache-2.0
"""What sshd's RevokedKeys may be: a list of public keys, or a KRL of `ssh-keygen -k`.

sshd refuses everybody when it cannot read a KRL, and passes over a line that it cannot read; so
nothing is taken here that it would not understand.
"""

from __future__ import annotations

from typing import Final

from launcher.keys import public_key
from launcher.keys.public_key import BadKeyError

# OpenSSH's PROTOCOL.krl.
_MAGIC: Final = b"SSHKRL\n\0"
_VERSION: Final = 1
_HEADER: Final = 8 + 4 + 8 + 8 + 8
_SECTIONS: Final = {1: 1, 2: 1, 3: 1, 4: 2, 5: 1, 255: 1}  # by type: of how many strings


def problem(data: bytes) -> str:
    """Why sshd would not understand it; empty when it would."""
    if is_krl(data):
        return "" if _is_whole(data) else "the KRL is damaged: was it cut?"
    for number, line in enumerate(_lines(data), 1):
        if not line or line.startswith("#"):
            continue
        try:
            if public_key.parse(line).options:
                return f"line {number}: a revoked key has no options"
        except BadKeyError as error:
            return f"line {number}: {error}"
    return ""


def blobs(data: bytes) -> frozenset[str]:
    """The keys of a list; a KRL is for sshd alone."""
    if is_krl(data):
        return frozenset()
    lines = (line for line in _lines(data) if line and not line.startswith("#"))
    return frozenset(public_key.parse(line).blob for line in lines)


def is_krl(data: bytes) -> bool:
    return data.startswith(_MAGIC)


def _lines(data: bytes) -> list[str]:
    return [line.strip() for line in data.decode("utf-8", "replace").splitlines()]


def _is_whole(data: bytes) -> bool:
    if int.from_bytes(data[8:12], "big") != _VERSION:
        return False
    try:
        at = _after_string(data, _after_string(data, _HEADER))  # reserved, and a comment
        while at < len(data):
            strings = _SECTIONS[data[at]]
            at += 1
            for _ in range(strings):
                at = _after_string(data, at)
    except (KeyError, IndexError):
        return False
    return True


def _after_string(data: bytes, at: int) -> int:
    end = at + 4 + int.from_bytes(data[at : at + 4], "big")
    if at + 4 > len(data) or end > len(data):
        raise IndexError(end)
    return end
