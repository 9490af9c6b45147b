# SPDX-License-Identifier: Apache-2.0
"""What the open door was opened with, read back from /run, so that `restart` changes nothing else."""

from __future__ import annotations

from pathlib import Path

from admin_image import spec
from launcher.keys import access
from launcher.keys.access import Access
from launcher.keys.user_data import UserData


def read() -> Access | None:
    """Who may enter through the present door; None when there is none."""
    try:
        door = spec.DoorSpec.from_json(Path(spec.SPEC_FILE).read_text(encoding="utf-8"))
        lines = {
            name: Path(name).read_text(encoding="utf-8").splitlines()
            for name in (spec.KEYS_FILE, spec.CA_FILE, spec.PRINCIPALS_FILE)
        }
    except (OSError, ValueError):
        return None
    return Access(
        user=door.user,
        keys=access.parse_good(lines[spec.KEYS_FILE]),
        cas=access.parse_good(lines[spec.CA_FILE]),
        principals=tuple(lines[spec.PRINCIPALS_FILE]),
        data=UserData(
            password_hash=door.password_hash,
            authorized_keys_command=door.authorized_keys_command,
            authorized_keys_command_user=door.authorized_keys_command_user,
            ciphers=door.ciphers,
            key_exchange_algorithms=door.key_exchange_algorithms,
            macs=door.macs,
        ),
        warnings=(),
    )
