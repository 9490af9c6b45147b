# SPDX-License-Identifier: Apache-2.0
"""sshd's AuthorizedPrincipalsCommand: whom a certificate may name, if it is not valid for too long.

sshd has no limit of its own for the certificates of users. It runs this as an account without
rights, with the certificate as an argument, and takes what is printed for the names of which the
certificate must have one; nothing printed is nobody.
"""

from __future__ import annotations

import base64
import sys

# How many strings the key itself has in a certificate, between the nonce and the serial number:
# OpenSSH's PROTOCOL.certkeys and PROTOCOL.u2f.
_STRINGS = {
    "ssh-ed25519": 1,
    "ssh-rsa": 2,
    "ecdsa-sha2-nistp256": 2,
    "ecdsa-sha2-nistp384": 2,
    "ecdsa-sha2-nistp521": 2,
    "sk-ssh-ed25519": 2,
    "sk-ecdsa-sha2-nistp256": 3,
}
_SUFFIX = "-cert-v01@openssh.com"
# The program, and what stands before the user's name and the certificate.
PROGRAM = "/usr/lib/hatchway/principals"
NO_FILE = "-"


def command(most: int, file: str) -> str:
    """What sshd is told to run; `file` has the names, or is empty where the user's name is it."""
    return f"{PROGRAM} {most} {file or NO_FILE} %u %k"


def main() -> int:
    try:
        most, file, user, certificate = sys.argv[1:]
        if lifetime(base64.b64decode(certificate, validate=True)) > int(most):
            return 0
        sys.stdout.write(f"{user}\n" if file == NO_FILE else _read(file))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"principals: {error}\n")
        return 1
    return 0


def lifetime(certificate: bytes) -> int:
    """Seconds from the first to the last at which it is valid; `ValueError` when it is none."""
    kind, rest = _string(certificate)
    name = kind.decode("ascii")
    if not name.endswith(_SUFFIX) or name.removesuffix(_SUFFIX) not in _STRINGS:
        message = "unknown type of certificate"
        raise ValueError(message)
    for _ in range(1 + _STRINGS[name.removesuffix(_SUFFIX)]):  # the nonce is the first
        _, rest = _string(rest)
    rest = rest[8 + 4 :]  # serial number, and whether it is a user's
    for _ in ("key id", "principals"):
        _, rest = _string(rest)
    if len(rest) < 16:
        message = "the certificate is cut off"
        raise ValueError(message)
    after, before = (int.from_bytes(rest[at : at + 8], "big") for at in (0, 8))
    if before < after:
        message = "the certificate ends before it begins"
        raise ValueError(message)
    return before - after


def _string(data: bytes) -> tuple[bytes, bytes]:
    size = int.from_bytes(data[:4], "big")
    if len(data) < 4 + size:
        message = "the certificate is cut off"
        raise ValueError(message)
    return data[4 : 4 + size], data[4 + size :]


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes longer than all else
        return file.read()
