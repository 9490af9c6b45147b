# SPDX-License-Identifier: Apache-2.0
"""The one account of the door, written into the image's own account files.

Directly, not by useradd: three lines of text are faster than three programs, and a password
hash never stands in an argument vector.

Its home is root's, for what programs read there at their start they obey. What the account
writes goes into one directory of it, in which sessions begin.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from admin_image.errors import DoorError
from admin_image.files import read_text, write_atomically
from admin_image.spec import USER_PATTERN, DoorSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    Drop = Callable[[list[str]], bool]

SHELL = "/bin/bash"
# sshd starts sftp there, /etc/bash.bashrc shells and commands.
FILES = "files"
# What tells our line of passwd from the image's own.
MARK = "Hatchway"
# sshd without PAM takes `!` for a locked account and refuses its keys; `*` is merely no password
# that could ever match.
NO_PASSWORD = "*"  # noqa: S105 - a mark, not a secret
_HASH = re.compile(r"[!-9;-~]+")  # printable, and no colon


def check(spec: DoorSpec, passwd: str) -> None:
    """Refuse names that are no names or belong to the image's system accounts."""
    if not re.fullmatch(USER_PATTERN, spec.user):
        raise DoorError("door.spec", f"{spec.user!r} is no user name: expected {USER_PATTERN}")
    theirs = [fields for fields in _rows(passwd) if not _is_ours(fields)]
    if spec.user in {fields[0] for fields in theirs}:
        raise DoorError("door.spec", f"the user name {spec.user} belongs to the admin image itself")
    if not 2**16 <= spec.uid < 2**32 - 1:
        raise DoorError("door.spec", f"the number {spec.uid} is not one for the door's account")
    if spec.password_hash and not _HASH.fullmatch(spec.password_hash):
        raise DoorError("door.spec", "the password hash holds characters that no hash has")


def passwd_with(text: str, spec: DoorSpec) -> str:
    line = f"{spec.user}:x:{spec.uid}:{spec.uid}:{MARK}:{home(spec.user)}:{SHELL}"
    return _with_line(text, line, drop=_is_ours)


def shadow_with(text: str, user: str, password_hash: str = "") -> str:
    password = password_hash or NO_PASSWORD
    if password.startswith("!"):
        password = NO_PASSWORD
    # Empty days: the account never expires, and nobody is asked to change a password.
    return _with_line(text, f"{user}:{password}:::::::", drop=lambda fields: fields[0] == user)


def group_with(text: str, spec: DoorSpec, *, journal_gid: int | None = None) -> str:
    ours = {spec.user, str(spec.uid)}
    line = f"{spec.user}:x:{spec.uid}:"
    text = _with_line(text, line, drop=lambda fields: bool(ours & {fields[0], fields[2]}))
    if journal_gid is None:
        return text
    # The host's number for the readers of its journal, whatever the image uses it for.
    line = f"hostjournal:x:{journal_gid}:{spec.user}"
    return _with_line(text, line, drop=lambda fields: fields[2] == str(journal_gid))


def sudoers(spec: DoorSpec) -> str:
    return f"#{spec.uid} ALL=(ALL:ALL) NOPASSWD: ALL\n"


def home(user: str) -> str:
    return f"/home/{user}"


def make(spec: DoorSpec, *, journal_gid: int | None = None, etc: str = "/etc") -> None:
    """Put the account into the account files; repeated after a restart it changes nothing."""
    passwd = read_text(f"{etc}/passwd")
    check(spec, passwd)
    shadow = shadow_with(read_text(f"{etc}/shadow"), spec.user, spec.password_hash)
    group = group_with(read_text(f"{etc}/group"), spec, journal_gid=journal_gid)
    write_atomically(f"{etc}/group", group)
    write_atomically(f"{etc}/shadow", shadow, mode=0o640)
    write_atomically(f"{etc}/passwd", passwd_with(passwd, spec))
    write_atomically(f"{etc}/sudoers.d/door", sudoers(spec), mode=0o440)
    _make_home(Path(home(spec.user)), spec.uid)


def _make_home(place: Path, uid: int) -> None:
    # With a `.ssh` of its own: ssh would complain that it cannot make one.
    for directory in (place, place / ".ssh"):
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)
    files = place / FILES
    files.mkdir(mode=0o700, exist_ok=True)
    os.chown(files, uid, uid)


def _is_ours(fields: list[str]) -> bool:
    return len(fields) > 4 and fields[4] == MARK


def _rows(text: str) -> list[list[str]]:
    return [line.split(":") for line in text.splitlines() if line.count(":") >= 3]


def _with_line(text: str, line: str, *, drop: Drop) -> str:
    kept = [":".join(fields) for fields in _rows(text) if not drop(fields)]
    return "\n".join([*kept, line]) + "\n"
