# SPDX-License-Identifier: Apache-2.0
"""Who the command is in the target, and what it may do there.

In a target with a user namespace the command is root as the target's root is: what it writes has
the owners that the target expects. Where the target's own programs may run by accident (its root
is `/`), the rights are the target's, and NET_RAW; SYS_PTRACE is among them when it is asked for.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from admin_image.errors import JoinError
from hostview import kernel

if TYPE_CHECKING:
    from admin_image.subject import Subject

# Bits of linux/capability.h. tcpdump is what people come for, and reaches nobody's memory.
NET_RAW, SYS_PTRACE = 1 << 13, 1 << 19


class Identity:
    """`uid`, `gid` and `groups` as they are inside; `outside` those of the host."""

    def __init__(self, uid: int, gid: int, groups: list[int], outside: tuple[int, int]) -> None:
        self.uid = uid
        self.gid = gid
        self.groups = groups
        self.outside = outside


def choose(subject: Subject, wanted: str, observer: int = 0) -> Identity:
    """Decide from `UID[:GID]`, `target` for those of its process, or nothing: its root.

    An `observer` is that user, or the last one that the target's user namespace knows. Raises
    `JoinError` when the target knows no such user.
    """
    status = subject.status()
    uids, gids = (parse_map(os.fsdecode(subject.read(f"{kind}_map"))) for kind in ("uid", "gid"))
    theirs = (
        inside(uids, int(status["Uid"].split()[1])),
        inside(gids, int(status["Gid"].split()[1])),
    )
    groups: list[int] = []
    if observer:
        uid, gid = (_last(ids, observer) for ids in (uids, gids))
    elif wanted == "target":
        uid, gid = theirs
        groups = [
            found for word in status["Groups"].split() if (found := inside(gids, int(word))) >= 0
        ]
    elif wanted:
        user, _, group = wanted.partition(":")
        uid, gid = int(user), int(group or user)
    else:
        # A rootless engine may map one user and no root.
        uid, gid = (0, 0) if outside(uids, 0) >= 0 else theirs
    beyond = outside(uids, uid), outside(gids, gid)
    if min(beyond) < 0:
        message = f"{subject.name} has no user {uid}:{gid} in its user namespace"
        raise JoinError("target.user", message, "Look at /proc/PID/uid_map, or leave --user out.")
    return Identity(uid, gid, groups, beyond)


def rights(subject: Subject, who: Identity, profile: int, *, as_target: bool, ptrace: bool) -> int:
    """The capabilities that the command keeps, as bits; none unless it is root.

    With `ptrace` a command that has the target as `/` may have SYS_PTRACE, else it never has.
    """
    if who.uid:
        return 0
    if not as_target:
        return profile
    theirs = int(subject.status()["CapBnd"], 16) | NET_RAW
    return profile & (theirs | SYS_PTRACE if ptrace else theirs & ~SYS_PTRACE)


def join_users(subject: Subject) -> None:
    """Go into the target's user namespace; all mounting is done."""
    if not subject.shares("user"):
        namespace = subject.open("ns/user", os.O_RDONLY)
        subject.check()
        kernel.setns(namespace, kernel.CLONE_NEWUSER)
        os.close(namespace)


def become(subject: Subject, who: Identity, mask: int) -> None:
    """Take that identity for good, and no right comes back by exec."""
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    _bound(mask)
    # user_namespaces(7): a rootless engine's target may have "deny" in setgroups.
    with contextlib.suppress(PermissionError):
        os.setgroups(who.groups)
    os.setresgid(who.gid, who.gid, who.gid)
    os.setresuid(who.uid, who.uid, who.uid)
    held = int(subject.own_status()["CapPrm"], 16)
    kernel.capset(held & mask)


def parse_map(text: str) -> list[tuple[int, int, int]]:
    """Read (inside, outside, count) of each line of user_namespaces(7)'s uid_map."""
    lines = (line.split() for line in text.splitlines())
    return [(int(words[0]), int(words[1]), int(words[2])) for words in lines if len(words) == 3]


def outside(ids: list[tuple[int, int, int]], number: int) -> int:
    """The host's number of an id of the target, or -1."""
    return next((o + number - i for i, o, count in ids if i <= number < i + count), -1)


def inside(ids: list[tuple[int, int, int]], number: int) -> int:
    """The target's number of an id of the host, or -1."""
    return next((i + number - o for i, o, count in ids if o <= number < o + count), -1)


def _last(ids: list[tuple[int, int, int]], wanted: int) -> int:
    """That number where it is known, else the highest of those that are."""
    if outside(ids, wanted) >= 0:
        return wanted
    return max(i + count - 1 for i, _, count in ids)


def _bound(mask: int) -> None:
    for number in range(64):
        if not mask >> number & 1:
            try:
                kernel.prctl(kernel.PR_CAPBSET_DROP, number)
            except OSError as error:
                if isinstance(error, PermissionError):
                    raise
                return  # EINVAL: the kernel knows no more of them
