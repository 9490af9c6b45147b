# SPDX-License-Identifier: Apache-2.0
# pathlib would double the time that this takes to start.
# ruff: noqa: PTH103, PTH108, PTH110, PTH123
"""Which key opened the session that this process is in.

sshd has it recorded when a session begins, by root and out of the account's reach. The session is
known by the kernel's own number for it (audit), which only root could change; where the kernel has
none, by sshd's process among our ancestors.
"""

from __future__ import annotations

import os

DIRECTORY = "/run/hatchway-logins"
# linux/audit.h, AUDIT_SID_UNSET and AUDIT_UID_UNSET
UNSET = str(2**32 - 1)
# Fields of a public key, which in a certificate stand after the nonce.
_FIELDS = {"ssh-ed25519": 1, "ssh-rsa": 2, "sk-ssh-ed25519@openssh.com": 2,
           "sk-ecdsa-sha2-nistp256@openssh.com": 3}  # fmt: skip
_CERTIFICATE = "-cert-v01@openssh.com"


def record(environment: dict[str, str]) -> None:
    """Called by PAM in sshd: a session begins or ends."""
    path = f"{DIRECTORY}/{_session() or _process(os.getppid())}"
    if environment.get("PAM_TYPE") != "open_session":
        if os.path.exists(path):
            os.unlink(path)
        return
    os.makedirs(DIRECTORY, mode=0o700, exist_ok=True)
    who = f"{key(environment.get('SSH_AUTH_INFO_0', ''))} from {environment.get('PAM_RHOST', '')}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(who)


def of_this_session() -> str:
    """`SHA256:... from ADDRESS`, or how else this process came to be."""
    for name in (_session(), *map(_process, _ancestors())):
        try:
            with open(f"{DIRECTORY}/{name}", encoding="utf-8") as file:
                return file.read()
        except OSError:
            continue
    login = read(f"/proc/{os.getpid()}/loginuid")
    return "root without ssh" + (f", login uid {login}" if login not in ("", UNSET) else "")


def key(told: str) -> str:
    """The fingerprint of `publickey TYPE BASE64`, the first line of what sshd tells PAM."""
    words = told.partition("\n")[0].split()
    if len(words) < 3 or words[0] != "publickey":
        return "an unknown key"
    import base64
    import hashlib

    blob, certified = base64.b64decode(words[2]), words[1].endswith(_CERTIFICATE)
    if certified:
        blob = _certified(words[1].replace(_CERTIFICATE, ""), blob)
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"SHA256:{digest}{' by certificate' if certified else ''}"


def read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _certified(kind: str, blob: bytes) -> bytes:
    """The plain key of a certificate (PROTOCOL.certkeys of OpenSSH)."""
    kind = f"{kind}@openssh.com" if kind.startswith("sk-") else kind
    strings = [blob[4 : 4 + int.from_bytes(blob[:4], "big")]]
    rest = blob[4 + len(strings[0]) :]
    for _ in range(1 + _FIELDS.get(kind, 2)):
        size = int.from_bytes(rest[:4], "big")
        strings.append(rest[4 : 4 + size])
        rest = rest[4 + size :]
    parts = (kind.encode(), *strings[2:])
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _session() -> str:
    number = read("/proc/self/sessionid")
    return number if number != UNSET else ""


def _process(pid: int) -> str:
    """A pid with when it began: field 22 of its stat, the name before it may hold anything."""
    fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return f"{pid}-{fields[19]}" if fields else f"{pid}"


def _ancestors() -> list[int]:
    found, pid = list[int](), os.getppid()
    while pid > 1:
        found.append(pid)
        fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        pid = int(fields[1]) if fields else 0
    return found
