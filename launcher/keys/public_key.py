# SPDX-License-Identifier: Apache-2.0
"""One line of authorized_keys(5), checked without ssh-keygen, which these hosts do not have."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
from typing import Final

from admin_image import spec
from launcher.keys import key_options

MIN_RSA_BITS: Final = 2048
NO_KEY: Final = "this is no public key: expected TYPE BASE64 [COMMENT]"
MAX_LINE: Final = 16_384  # sshd's own limit is of this order; a longer line is no key

# Key types that current sshd accepts. For each, what its blob must hold besides its name.
_CURVES: Final = {"nistp256": 65, "nistp384": 97, "nistp521": 133}
_PLAIN: Final = {
    "ssh-ed25519",
    "ssh-rsa",
    *(f"ecdsa-sha2-{curve}" for curve in _CURVES),
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
}
# As sshkey_advance_past_options() of OpenSSH's sshkey.c has it: only a quotation mark is escaped.
_BEFORE: Final = re.compile(r'(?>\\"|[^ \t"]|"(?>\\"|[^"])*+")++(?=[ \t])')


class BadKeyError(ValueError):
    """Why a line is no usable key; the text never repeats the line."""


class PrivateKeyError(BadKeyError):
    """A private key was given: it must neither be used nor shown."""


@dataclasses.dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key: `blob` is its base64 text, `options` what stands before it, or empty.

    `source` says where it came from, `file:line`; it is no part of the key.
    """

    kind: str
    blob: str
    comment: str = ""
    options: str = ""
    source: str = dataclasses.field(default="", compare=False)
    # What the options mean: a CA is no login key, and a bound one is not for every address.
    authority: bool = False
    bound: bool = False

    @property
    def fingerprint(self) -> str:
        """`SHA256:` and 43 characters, as `ssh-keygen -l` prints it."""
        return spec.fingerprint(self.blob)

    def line(self) -> str:
        return " ".join(part for part in (self.options, self.kind, self.blob, self.comment) if part)


def parse(line: str) -> PublicKey:
    """Read one line; `BadKeyError` says what is wrong with it."""
    line = line.strip()
    _refuse_foreign(line)
    options, rest = _split_options(line)
    words = rest.split(None, 2)
    if len(words) < 2:
        raise BadKeyError(NO_KEY if options else "the key itself is missing after its type")
    kind, blob = words[0], words[1]
    comment = words[2] if len(words) > 2 else ""
    _check_blob(kind, blob)
    try:
        meant = key_options.judge(options)
    except key_options.BadOptionError as problem:
        raise BadKeyError(str(problem)) from None
    return PublicKey(
        kind, blob, _printable(comment), options, authority=meant.authority, bound=meant.bound
    )


def _refuse_foreign(line: str) -> None:
    if "PRIVATE KEY" in line or line.startswith("PuTTY-User-Key-File"):
        raise PrivateKeyError("this is a private key")
    if line.startswith("---- BEGIN SSH2 PUBLIC KEY"):
        raise BadKeyError("this is RFC 4716 form; convert it: ssh-keygen -i -f FILE")
    if line.startswith("-----BEGIN"):
        raise BadKeyError(
            "this is PEM, not an OpenSSH public key; convert it: ssh-keygen -i -m PKCS8 -f FILE"
        )
    if len(line) > MAX_LINE:
        raise BadKeyError(f"the line is longer than {MAX_LINE} characters")
    if not line.replace("\t", " ").isprintable():
        raise BadKeyError("the line holds control characters")


def _split_options(line: str) -> tuple[str, str]:
    """Options end at the first blank outside quotes, unless the line begins with a key type."""
    first = line.split(None, 1)[0] if line.split() else ""
    if first in _PLAIN or first.startswith(("ssh-", "ecdsa-", "sk-")):
        return "", line
    match = _BEFORE.match(line)
    if match is None:
        raise BadKeyError(NO_KEY)
    return match[0], line[match.end() :].strip()


def _check_blob(kind: str, blob: str) -> None:
    if kind in ("ssh-dss", "ssh-dsa"):
        raise BadKeyError(
            "DSA keys are refused by every current sshd; make one with ssh-keygen -t ed25519"
        )
    if "-cert-v01@openssh.com" in kind:
        raise BadKeyError(
            "this is a certificate; give the key of the CA that signed it as trusted CA"
        )
    if kind not in _PLAIN:
        raise BadKeyError("this is no public key: unknown key type")
    try:
        raw = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        raise BadKeyError("the key is not valid base64: was it cut or wrapped?") from None
    fields = _fields(raw)
    if not fields or fields[0] != kind.encode():
        raise BadKeyError("the key is damaged: its inner type is not its outer type")
    _check_fields(kind, fields[1:])


def _fields(raw: bytes) -> list[bytes]:
    """RFC 4251 strings: four bytes of length, then that many bytes."""
    found = []
    while raw:
        size = int.from_bytes(raw[:4], "big")
        if len(raw) < 4 + size:
            raise BadKeyError("the key is damaged: it ends too early (was it cut?)")
        found.append(raw[4 : 4 + size])
        raw = raw[4 + size :]
    return found


def _check_fields(kind: str, fields: list[bytes]) -> None:
    security_key = kind.startswith("sk-")
    if security_key and fields:
        fields = fields[:-1]  # the application, such as `ssh:`
    if kind == "ssh-rsa":
        if len(fields) != 2:
            raise BadKeyError("the key is damaged: an RSA key has two numbers")
        bits = int.from_bytes(fields[1], "big").bit_length()
        if bits < MIN_RSA_BITS:
            raise BadKeyError(f"RSA with {bits} bits is too weak; {MIN_RSA_BITS} is the least")
    elif kind.endswith("ed25519") or "ed25519" in kind:
        if [len(field) for field in fields] != [32]:
            raise BadKeyError("the key is damaged: an Ed25519 key has 32 bytes")
    else:
        curve = fields[0].decode("ascii", "replace") if fields else ""
        if len(fields) != 2 or len(fields[1]) != _CURVES.get(curve) or curve not in kind:
            raise BadKeyError("the key is damaged: its point is not on its curve")


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:256]
