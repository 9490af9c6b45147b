# SPDX-License-Identifier: Apache-2.0
"""What the image's sshd can speak, and what it offers: a part of the contract.

The launcher refuses a name that is not in here before anything starts; a test compares the names
with `ssh -Q` of the real image.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

Policy = Literal["broad", "post-quantum"]
DEFAULT_POLICY: Policy = "broad"

KNOWN_KEX = frozenset(
    {
        *("mlkem768x25519-sha256", "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com"),
        *("curve25519-sha256", "curve25519-sha256@libssh.org"),
        *(f"ecdh-sha2-nistp{bits}" for bits in (256, 384, 521)),
        *(f"diffie-hellman-group{name}" for name in ("14-sha256", "16-sha512", "18-sha512")),
        *(f"diffie-hellman-group{name}-sha1" for name in ("1", "14", "-exchange")),
        "diffie-hellman-group-exchange-sha256",
    }
)
KNOWN_CIPHERS = frozenset(
    {
        "chacha20-poly1305@openssh.com",
        *(f"aes{bits}-gcm@openssh.com" for bits in (128, 256)),
        *(f"aes{bits}-{mode}" for bits in (128, 192, 256) for mode in ("ctr", "cbc")),
        "3des-cbc",
    }
)
_HMACS = ("sha1", "sha1-96", "sha2-256", "sha2-512", "md5", "md5-96")
KNOWN_MACS = frozenset(
    {
        *(f"hmac-{name}" for name in _HMACS),
        *(f"hmac-{name}-etm@openssh.com" for name in _HMACS),
        *(f"umac-{bits}{etm}@openssh.com" for bits in (64, 128) for etm in ("", "-etm")),
    }
)
KNOWN_CA_SIGNATURES = frozenset(
    {
        *("ssh-ed25519", "sk-ssh-ed25519@openssh.com"),
        *(f"ecdsa-sha2-nistp{bits}" for bits in (256, 384, 521)),
        *("sk-ecdsa-sha2-nistp256@openssh.com", "webauthn-sk-ecdsa-sha2-nistp256@openssh.com"),
        *("ssh-rsa", "rsa-sha2-256", "rsa-sha2-512"),
    }
)


@dataclasses.dataclass(frozen=True, slots=True)
class Offer:
    """What sshd offers, the best first; `host_keys` are types of `spec.HOST_KEY_FILES`."""

    host_keys: tuple[str, ...]
    kex: tuple[str, ...]
    ciphers: tuple[str, ...]
    macs: tuple[str, ...]


# What ssh-audit finds neither weak nor without protection against a later quantum computer.
_POST_QUANTUM = Offer(
    host_keys=("ssh-ed25519",),
    kex=("mlkem768x25519-sha256", "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com"),
    ciphers=(
        "chacha20-poly1305@openssh.com",
        "aes256-gcm@openssh.com",
        "aes128-gcm@openssh.com",
        "aes256-ctr",
        "aes192-ctr",
        "aes128-ctr",
    ),
    macs=(
        "hmac-sha2-512-etm@openssh.com",
        "hmac-sha2-256-etm@openssh.com",
        "umac-128-etm@openssh.com",
    ),
)
# Then what clients have that know no hybrid; docs/ssh-clients.md says which they are. A client
# takes the first of its own list that is offered here: nearly all put hybrids first.
_BROAD = Offer(
    host_keys=(*_POST_QUANTUM.host_keys, "ecdsa-sha2-nistp256"),
    kex=(
        *_POST_QUANTUM.kex,
        *("curve25519-sha256", "curve25519-sha256@libssh.org"),
        *("ecdh-sha2-nistp256", "diffie-hellman-group16-sha512"),
    ),
    ciphers=_POST_QUANTUM.ciphers,
    # libssh2 before 1.11 and JSch have no encrypt-then-MAC.
    macs=(*_POST_QUANTUM.macs, "hmac-sha2-512", "hmac-sha2-256"),
)
# OpenSSH's own default: everything but SHA-1.
CA_SIGNATURES = (
    *("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    *("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"),
    *("rsa-sha2-512", "rsa-sha2-256"),
)
OFFERS: dict[str, Offer] = {"broad": _BROAD, "post-quantum": _POST_QUANTUM}


def combine(wanted: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    """Combine the user's list with the image's own, by the marks of sshd_config(5).

    Not left to sshd: it would combine with its built-in list, and `+x` would bring back all that
    the image's own leaves out. `ValueError` when nothing would be left.
    """
    names = tuple(name for item in wanted for name in item.split(",") if name)
    if not names:
        return own
    mark, first = (names[0][0], names[0][1:]) if names[0][0] in "+-^" else ("", names[0])
    names = (first, *names[1:])
    if mark == "-":
        left = tuple(name for name in own if not any(_fits(name, out) for out in names))
        if not left:
            message = "takes away every algorithm that the image has"
            raise ValueError(message)
        return left
    order = {"+": (*own, *names), "^": (*names, *own), "": names}[mark]
    return tuple(dict.fromkeys(order))


def problem(wanted: tuple[str, ...], known: frozenset[str], own: tuple[str, ...]) -> str:
    """Why sshd would refuse the user's list; empty when it would not."""
    names = [name for item in wanted for name in item.split(",")]
    removing = bool(names) and names[0].startswith("-")
    for index, name in enumerate(names):
        plain = name[1:] if index == 0 and name[:1] in ("+", "-", "^") else name
        if plain[:1] in ("+", "-", "^"):
            return f"only the first name of a list may have a mark, not {name}"
        if removing:
            if not any(_fits(each, plain) for each in known):
                return f"sshd has no algorithm {plain}"
        elif plain not in known:
            return f"sshd has no algorithm {plain}"
    try:
        combine(wanted, own)
    except ValueError as error:
        return str(error)
    return ""


def _fits(name: str, pattern: str) -> bool:
    import fnmatch  # hostsh reads this file too, and need not wait for it

    return fnmatch.fnmatchcase(name, pattern)
