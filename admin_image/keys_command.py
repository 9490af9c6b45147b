# SPDX-License-Identifier: Apache-2.0
"""The program that names keys: whether sshd would run it.

sshd finds out only at a login, and tells nobody but its log.
"""

from __future__ import annotations

import pwd
import stat
from pathlib import Path

from admin_image.errors import DoorError
from admin_image.files import read_text
from admin_image.spec import KEYS_FILE, DoorSpec

DEFAULT_USER = "nobody"


def check(spec: DoorSpec) -> list[str]:
    """Warnings; `DoorError` where it cannot be run and nobody else could log in."""
    if not spec.authorized_keys_command or not (why := _problem(spec)):
        return []
    if not (spec.trusted_cas or read_text(KEYS_FILE).strip()):
        raise DoorError("door.keys-command", f"nobody could log in: {why}")
    return [f"only the keys that were given enter: {why}"]


def _problem(spec: DoorSpec) -> str:
    program = spec.authorized_keys_command.split()[0]
    user = spec.authorized_keys_command_user or DEFAULT_USER
    try:
        pwd.getpwnam(user)
    except KeyError:
        return f"the image has no account {user} for authorized-keys-command"
    return _of_program(program)


def _of_program(program: str) -> str:
    """As safe_path() of OpenSSH's misc.c has it, for the program and all directories above it."""
    try:
        mode = Path(program).stat().st_mode
        real = Path(program).resolve(strict=True)
        open_to_others = [
            path
            for path in (real, *real.parents)
            if path.stat().st_uid or path.stat().st_mode & 0o022
        ]
    except OSError as error:
        return f"the image cannot run authorized-keys-command {program}: {error.strerror}"
    if not stat.S_ISREG(mode) or not mode & 0o111:
        return f"authorized-keys-command {program} is no program"
    if open_to_others:
        return f"authorized-keys-command: {open_to_others[0]} may be written by others than root"
    return ""
