# SPDX-License-Identifier: Apache-2.0
"""Become one who observes: reads what root can read, and changes nothing.

    observe UID COMMAND [ARGUMENT...]

Four borders, each of which holds alone against most of what there is: a user that nobody else is,
no right but to read, a filter of system calls, and Landlock where the kernel has it. None of them
can be left again, by the command or by anything that comes from it.

docker gives no capability to a user other than root, so that this begins as root and ends as the
observer, in the same way on every engine and beside a target.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` would bring enum
import contextlib
import errno
import os
import resource
import stat
import sys
from typing import TYPE_CHECKING

from admin_image import landlock, search
from admin_image.seccomp import Filter
from hostview import kernel
from hostview.seccomp_allow import CORE_LIMIT, RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

# linux/capability.h
DAC_READ_SEARCH = 2
_MINE = 1 << DAC_READ_SEARCH
# What a program writes that changes nothing; by number, for a target may have anything there.
_DEVICES = {
    "/dev/null": (1, 3), "/dev/zero": (1, 5), "/dev/full": (1, 7), "/dev/tty": (5, 0),
}  # fmt: skip
# linux/major.h: UNIX98_PTY_SLAVE_MAJOR and seven more
_TERMINALS = range(136, 144)
# The toolbox's own, and gone with it.
PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/dev/pts")  # noqa: S108
HOME = "/tmp"  # noqa: S108
_OURS = 125


class Observer:
    """One who is to observe as user `uid`; made while libraries can still be found."""

    def __init__(self, uid: int) -> None:
        self.uid = uid
        self._filter = Filter(RULES)

    def become(self, places: tuple[str, ...]) -> None:
        """Be it from now on, for good: beneath `places` alone may something be written."""
        _own_streams(self.uid)
        limits = (CORE_LIMIT, CORE_LIMIT)
        # The engine has set it already where its filter refuses that.
        if resource.getrlimit(resource.RLIMIT_CORE) != limits:
            resource.setrlimit(resource.RLIMIT_CORE, limits)
        writable = [*_opened(places), *_devices()]
        _drop_rights(self.uid)
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        landlock.restrict(writable)
        for descriptor in writable:
            os.close(descriptor)
        self._filter.load()


def main() -> int:
    uid, command = int(sys.argv[1]), sys.argv[2:]
    name = dict.fromkeys(("USER", "LOGNAME", "HATCHWAY_WHO"), "observer")
    environment = {**os.environ, **name, "HOME": HOME}
    try:
        Observer(uid).become(PLACES)
    except OSError as error:
        what = f" ({error.filename})" if error.filename else ""
        _say(f"cannot become an observer: {error.strerror}{what} [container.died]")
        return _OURS
    restore_signals()
    os.closerange(3, 1 << 20)
    met, there = search.become(command, environment)
    if met != errno.ENOENT:
        _say(f"cannot execute {there}: {os.strerror(met)}")
        return search.NOT_EXECUTABLE
    _say(f"{there or command[0]}: not found")
    return search.NOT_FOUND


def restore_signals() -> None:
    """Python ignores two signals, and a program would inherit that: `yes | head` would not end."""
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ, _signal.SIGINT):
        _signal.signal(number, _signal.SIG_DFL)


def _own_streams(uid: int) -> None:
    """Let it open its own pipes and terminal again, by /dev/stdout and the like."""
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError):
            facts = os.fstat(descriptor)
            if stat.S_ISFIFO(facts.st_mode) or (
                stat.S_ISCHR(facts.st_mode) and os.major(facts.st_rdev) in _TERMINALS
            ):
                os.fchown(descriptor, uid, -1)


def _opened(places: tuple[str, ...]) -> Iterator[int]:
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    for place in places:
        with contextlib.suppress(OSError):
            yield os.open(place, flags)


def _devices() -> Iterator[int]:
    for place, number in _DEVICES.items():
        try:
            descriptor = os.open(place, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        facts = os.fstat(descriptor)
        if stat.S_ISCHR(facts.st_mode) and facts.st_rdev == os.makedev(*number):
            yield descriptor
        else:
            os.close(descriptor)


def _drop_rights(uid: int) -> None:
    """Keep DAC_READ_SEARCH, where there is it to keep; an ambient one survives exec(2)."""
    kept = kernel.permitted() & _MINE
    for number in range(64):
        if not kept >> number & 1:
            try:
                kernel.prctl(kernel.PR_CAPBSET_DROP, number)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                break  # the kernel knows no more of them
    kernel.prctl(kernel.PR_SET_KEEPCAPS, 1)
    # user_namespaces(7): a rootless engine's target may have "deny" in setgroups.
    with contextlib.suppress(PermissionError):
        os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    kernel.capset(kept, inheritable=kept)
    if kept:
        kernel.prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_RAISE, DAC_READ_SEARCH)


def _say(message: str) -> None:
    os.write(2, f"hatchway: {message}\n".encode("utf-8", "surrogateescape"))
