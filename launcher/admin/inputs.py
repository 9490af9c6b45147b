# SPDX-License-Identifier: Apache-2.0
"""What the launcher writes for the container, and reads back when the door is opened again."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from admin_image import spec
from launcher import door as doors
from launcher import files
from launcher.keys import access as access_
from launcher.keys import revocation
from launcher.keys.access import Access
from launcher.keys.rules import Rules
from launcher.keys.user_data import UserData

if TYPE_CHECKING:
    from collections.abc import Iterable

    from launcher.keys.public_key import PublicKey
    from launcher.settings import Listen


def write(access: Access, listen: Listen, uid: int, notice: Iterable[str] = ()) -> None:
    """The specification and the keys, in directories that only root can change.

    `notice` is for those who will log in.
    """
    for path in (spec.RUN, spec.LOG, str(Path(spec.STATE).parent)):
        files.own_directory(Path(path))
    files.own_directory(Path(spec.STATE), mode=0o700)
    Path(spec.PHASE_FILE).unlink(missing_ok=True)
    door = dataclasses.replace(access.door(listen=listen.address, port=listen.port), uid=uid)
    files.write(Path(spec.SPEC_FILE), door.to_json().encode())
    _write_lines(spec.KEYS_FILE, (key.line() for key in access.keys))
    _write_lines(spec.CA_FILE, (key.line() for key in access.cas))
    _write_lines(spec.PRINCIPALS_FILE, access.principals)
    _write_lines(spec.NOTICE_FILE, notice)
    revoke(access.revoked)


def append_keys(fresh: Iterable[PublicKey]) -> None:
    """Let more keys in: sshd reads the file at every login, so nobody who is inside notices."""
    path = Path(spec.KEYS_FILE)
    present = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    _write_lines(spec.KEYS_FILE, [*present, *(key.line() for key in fresh)])


def revoke(listed: bytes) -> None:
    """What sshd refuses from now on, a list of keys or a KRL."""
    files.write(Path(spec.REVOKED_FILE), listed, mode=0o644)


def read() -> Access | None:
    """Who may enter through the present door, so that `restart` changes nothing else; or None."""
    try:
        door = spec.DoorSpec.from_json(Path(spec.SPEC_FILE).read_text(encoding="utf-8"))
        keys, cas, principals = (
            Path(name).read_text(encoding="utf-8").splitlines()
            for name in (spec.KEYS_FILE, spec.CA_FILE, spec.PRINCIPALS_FILE)
        )
        revoked = Path(spec.REVOKED_FILE).read_bytes()
        gone = revocation.blobs(revoked)
    except (OSError, ValueError):
        return None
    return Access(
        user=door.user,
        keys=_with_sources(key for key in access_.parse_good(keys) if key.blob not in gone),
        cas=_with_sources(access_.parse_good(cas)),
        principals=tuple(principals),
        data=UserData(
            password_hash=door.password_hash,
            authorized_keys_command=door.authorized_keys_command,
            authorized_keys_command_user=door.authorized_keys_command_user,
            ciphers=door.ciphers,
            key_exchange_algorithms=door.key_exchange_algorithms,
            macs=door.macs,
        ),
        warnings=(),
        rules=Rules(
            policy=door.ssh_policy,
            ca_signature_algorithms=door.ca_signature_algorithms,
            certificate_lifetime=door.certificate_lifetime,
            verify_required=door.verify_required,
        ),
        revoked=revoked,
    )


def _with_sources(keys: Iterable[PublicKey]) -> tuple[PublicKey, ...]:
    """Where each came from is in the record of the door, not in sshd's file."""
    found = doors.read()
    recorded = (*found.keys, *found.trusted_cas) if found else ()
    sources = {key.fingerprint: key.source for key in recorded}
    return tuple(dataclasses.replace(key, source=sources.get(key.fingerprint, "")) for key in keys)


def _write_lines(name: str, lines: Iterable[str]) -> None:
    # 0644: sshd reads them with the rights of the user who logs in, and they are public by nature.
    files.write(Path(name), "".join(f"{line}\n" for line in lines).encode(), mode=0o644)
