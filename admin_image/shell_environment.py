# SPDX-License-Identifier: Apache-2.0
"""Where a command beside a target begins: its shell, its directory, its environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from admin_image import new_root, observer, program, variables

if TYPE_CHECKING:
    from admin_image.session import Session
    from admin_image.toolbelt import Toolbelt

SHELL = "/usr/bin/bash"
RCFILE = "/usr/lib/hatchway/targetrc"
TERMINFO = "/usr/share/terminfo"
# Of the image's own environment, what speaks of the host.
_OF_HOST = ("HOST", "SYSTEMD_IGNORE_CHROOT")


def shell(belt: Toolbelt | None) -> list[str]:
    if belt:
        return [belt.shell, "--noprofile", "--rcfile", belt.place + RCFILE]
    return [SHELL, "--rcfile", RCFILE]


def least(belt: Toolbelt | None) -> list[str]:
    """A command that does nothing, and takes what all others take to be run: loader and libc."""
    return [belt.shell if belt else SHELL, "-c", ":"]


def directory(session: Session, theirs: str) -> str:
    root = "" if session.root else new_root.PLACE
    if session.workdir:
        return session.workdir
    return f"{root}{theirs if session.directory else '/'}"


def environment(session: Session, theirs: dict[str, str], belt: Toolbelt | None) -> dict[str, str]:
    """Ours, with the target's below it: theirs never stands before ours."""
    ours = {**os.environ, "HATCHWAY_TARGET": session.name, "HOSTNAME": os.uname().nodename}
    for name in _OF_HOST:
        ours.pop(name, None)
    ours.setdefault("PATH", program.PATH)
    if belt:
        ours.pop("container", None)
        ours.update(
            PATH=f"{belt.path}:{theirs.get('PATH', program.PATH)}",
            HOME=belt.home, SHELL=belt.shell, USER="root", LOGNAME="root", LESSHISTFILE="-",
            TERMINFO_DIRS=f":{belt.place}{TERMINFO}",
        )  # fmt: skip
    elif session.observer:
        ours |= dict.fromkeys(("USER", "LOGNAME", "HATCHWAY_WHO"), "observer")
        ours["HOME"] = observer.HOME
    below = variables.harmless(theirs) if session.environment else {}
    named, missing = variables.named(theirs, session.variables)
    for name in missing:
        program.say(f"{session.name} has no variable {name}")
    return {**below, **named, **ours}
