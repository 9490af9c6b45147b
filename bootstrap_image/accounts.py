# SPDX-License-Identifier: Apache-2.0
"""passwd, group, shadow and gshadow as lines: accounts and groups are added, none is changed.

An account here owns files and runs services; nobody logs in with one, so its password is locked.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

# useradd(8) without a login.defs: SYS_UID_MIN to SYS_UID_MAX, UID_MIN to UID_MAX.
_SYSTEM: Final = range(999, 99, -1)
_ORDINARY: Final = range(1000, 60_001)
NOLOGIN: Final = "/usr/sbin/nologin"


class AccountError(ValueError):
    """An account cannot be as it is asked for; a sentence says why."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """What is asked for; without `uid` a free one is taken, and `group` is its own by default."""

    name: str
    uid: int | None = None
    group: str = ""
    groups: tuple[str, ...] = ()
    home: str = ""
    shell: str = NOLOGIN
    gecos: str = ""
    system: bool = False
    create_groups: bool = True


@dataclasses.dataclass(slots=True)
class Accounts:
    """The lines of the host's files; those for shadows are None where the host has none.

    `day` is the present one, since the epoch. `taken` are lines of passwd and group that the host
    reads from elsewhere.
    """

    passwd: list[str]
    group: list[str]
    shadow: list[str] | None
    gshadow: list[str] | None
    day: int
    taken: tuple[list[str], list[str]] = ([], [])

    def add_user(self, user: User) -> None:
        there = find(user.name, (*self.passwd, *self.taken[0]))
        if there and user.uid is not None and _number(there) != user.uid:
            raise AccountError(f"{user.name} is there with the uid {_number(there)}")
        if not there:
            uid = self._uid(user)
            gid = self.add_group(user.group or user.name, prefer=uid, system=user.system)
            mark = "*" if self.shadow is None else "x"
            fields = [user.name, mark, str(uid), str(gid), user.gecos, user.home, user.shell]
            self.passwd.append(":".join(fields))
        if self.shadow is not None and not find(user.name, self.shadow):
            self.shadow.append(f"{user.name}:!:{self.day}:0:99999:7:::")
        for group in user.groups:
            if not user.create_groups and not self._group(group):
                raise AccountError(f"the group {group} of {user.name} is not there")
            self.add_group(group)
            self.add_member(group, user.name)

    def add_group(self, name: str, *, prefer: int | None = None, system: bool = False) -> int:
        """Its number, whether it was there or not."""
        if there := self._group(name):
            gid = _number(there)
        else:
            taken = set(map(_number, (*self.group, *self.taken[1])))
            gid = prefer if prefer and prefer not in taken else _free(taken, system=system)
            mark = "" if self.gshadow is None else "x"
            self.group.append(f"{name}:{mark}:{gid}:")
        if self.gshadow is not None and not find(name, self.gshadow):
            self.gshadow.append(f"{name}:!::")
        return gid

    def add_member(self, group: str, user: str) -> None:
        for lines in (self.group, self.gshadow):
            for number, line in enumerate(lines or ()):
                fields = line.split(":")
                members = [name for name in fields[-1].split(",") if name]
                if fields[0] == group and user not in members and lines is not None:
                    lines[number] = ":".join([*fields[:-1], ",".join([*members, user])])

    def _group(self, name: str) -> str:
        return find(name, (*self.group, *self.taken[1]))

    def _uid(self, user: User) -> int:
        taken = {_number(line): line for line in (*self.passwd, *self.taken[0])}
        if user.uid is None:
            return _free(taken.keys(), system=user.system)
        if other := taken.get(user.uid):
            raise AccountError(f"{user.name} cannot have the uid of {other.split(':')[0]}")
        return user.uid


def find(name: str, lines: Iterable[str]) -> str:
    """The line of a name; empty when there is none."""
    return next((line for line in lines if line.startswith(f"{name}:")), "")


def _number(line: str) -> int:
    """The uid or gid of a line; -1 where there is none, as in a line for NIS."""
    fields = line.split(":")
    return int(fields[2]) if len(fields) > 2 and fields[2].isdecimal() else -1


def _free(taken: Iterable[int], *, system: bool) -> int:
    used = set(taken)
    found = next((n for n in (_SYSTEM if system else _ORDINARY) if n not in used), None)
    if found is None:
        raise AccountError("no number is free for another account")
    return found
