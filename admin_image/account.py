# SPDX-License-Identifier: Apache-2.0
"""The one account of the door, written into the image's own account files.

Directly, not by useradd: three lines of text are faster than three programs, and a password
hash never stands in an argument vector.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from admin_image.errors import DoorError
from admin_image.files import read_text, write_atomically
from admin_image.spec import USER_PATTERN, DoorSpec

Drop = Callable[[list[str]], bool]

UID = 1000
SHELL = "/bin/bash"
# sshd takes `!` for a locked account and refuses its keys when PAM is off; `*` is merely no
# password that could ever match.
NO_PASSWORD = "*"  # noqa: S105 - a mark, not a secret
_HASH = re.compile(r"[!-9;-~]+")  # printable, and no colon


def check(spec: DoorSpec, passwd: str) -> None:
    """Refuse names that are no names or belong to the image's system accounts."""
    if not re.fullmatch(USER_PATTERN, spec.user):
        raise DoorError("door.spec", f"{spec.user!r} is no user name: expected {USER_PATTERN}")
    owners = {fields[0]: fields[2] for fields in _rows(passwd)}
    if owners.get(spec.user, str(UID)) != str(UID):
        raise DoorError("door.spec", f"the user name {spec.user} belongs to the admin image itself")
    if spec.password_hash and not _HASH.fullmatch(spec.password_hash):
        raise DoorError("door.spec", "the password hash holds characters that no hash has")


def passwd_with(text: str, user: str) -> str:
    line = f"{user}:x:{UID}:{UID}:Hatchway:{home(user)}:{SHELL}"
    return _with_line(text, line, drop=lambda fields: fields[2] == str(UID))


def shadow_with(text: str, user: str, password_hash: str = "") -> str:
    password = password_hash or NO_PASSWORD
    if password.startswith("!"):
        password = NO_PASSWORD
    # Empty days: the account never expires, and nobody is asked to change a password.
    return _with_line(text, f"{user}:{password}:::::::", drop=lambda fields: fields[0] == user)


def group_with(text: str, user: str, *, journal_gid: int | None = None) -> str:
    ours = {str(UID), str(journal_gid)}
    text = _with_line(text, f"{user}:x:{UID}:", drop=lambda fields: fields[2] == str(UID))
    if journal_gid is None:
        return text
    # The host's number for the readers of its journal, whatever the image uses it for.
    line = f"hostjournal:x:{journal_gid}:{user}"
    return _with_line(text, line, drop=lambda fields: fields[2] in ours - {str(UID)})


def home(user: str) -> str:
    return f"/home/{user}"


def make(spec: DoorSpec, *, journal_gid: int | None = None, etc: str = "/etc") -> None:
    """Put the account into the account files; repeated after a restart it changes nothing."""
    passwd = read_text(f"{etc}/passwd")
    check(spec, passwd)
    shadow = shadow_with(read_text(f"{etc}/shadow"), spec.user, spec.password_hash)
    group = group_with(read_text(f"{etc}/group"), spec.user, journal_gid=journal_gid)
    write_atomically(f"{etc}/group", group)
    write_atomically(f"{etc}/shadow", shadow, mode=0o640)
    write_atomically(f"{etc}/passwd", passwd_with(passwd, spec.user))
    Path(home(spec.user)).mkdir(mode=0o750, parents=True, exist_ok=True)
    os.chown(home(spec.user), UID, UID)


def _rows(text: str) -> list[list[str]]:
    return [line.split(":") for line in text.splitlines() if line.count(":") >= 3]


def _with_line(text: str, line: str, *, drop: Drop) -> str:
    kept = [":".join(fields) for fields in _rows(text) if not drop(fields)]
    return "\n".join([*kept, line]) + "\n"
