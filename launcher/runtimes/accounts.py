# SPDX-License-Identifier: Apache-2.0
"""Who `user` is in an image: engines that take a whole configuration want numbers."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Final

from launcher.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

SIZE_LIMIT: Final = 1 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class Account:
    """A process's user, group and further groups."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


def resolve(user: str, root: Path) -> Account:
    """`UID`, `UID:GID` or the same with names, by the passwd and group files below `root`.

    `UsageError` names who is not there.
    """
    name, _, group = user.partition(":")
    lines = _lines(root, "passwd")
    found = next((line for line in lines if name in (line[0], line[2])), None)
    if found is None and not name.isdigit():
        raise _unknown("user", name)
    uid = int(found[2]) if found else int(name)
    own = int(found[3]) if found and found[3].isdigit() else 0
    members = _lines(root, "group")
    if group:
        return Account(uid, _group(group, members))
    groups = [int(line[2]) for line in members if found and found[0] in line[3].split(",")]
    return Account(uid, own, tuple(sorted(set(groups) - {own})))


def _group(group: str, lines: list[list[str]]) -> int:
    if group.isdigit():
        return int(group)
    found = next((line for line in lines if line[0] == group), None)
    if found is None:
        raise _unknown("group", group)
    return int(found[2])


def _lines(root: Path, name: str) -> list[list[str]]:
    """The fields of each line; none where the file is missing or leads out of the image."""
    try:
        # The image's: a link in it would be followed on the host.
        directory = os.open(root / "etc", os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            with os.fdopen(os.open(name, flags, dir_fd=directory), "rb") as stream:
                text = stream.read(SIZE_LIMIT).decode("utf-8", "replace")
        finally:
            os.close(directory)
    except OSError:
        return []
    lines = (line.split(":") for line in text.splitlines())
    return [line for line in lines if len(line) > 3 and line[2].isdigit()]


def _unknown(kind: str, name: str) -> UsageError:
    hint = "Give a number, which needs no entry in the image."
    return UsageError("usage.invalid", f"the image has no {kind} {name!r}", hint)
