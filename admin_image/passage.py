# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PTH208 - pathlib would double the time that this takes to start
"""The way into a target, for a child of the joiner: what leads out is gone before it is inside.

A process enters a pid namespace by being born in it, and is in the target's sight from then on. So
whoever gives birth stays outside, and does before all that has to be done: the root is the new one,
the old root and the host's /proc are let go, the namespaces are the target's, the identity is that
of the command, every descriptor but the three streams is closed. What is born has nothing else.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from admin_image import forks, identity, minder, procfs, program, stage, toolbelt, tree, variables
from admin_image.errors import JoinError
from admin_image.furniture import Furniture
from admin_image.toolbelt import Toolbelt
from hostview import descriptors, kernel

if TYPE_CHECKING:
    from admin_image.session import Session
    from admin_image.subject import Subject
    from admin_image.tree import Clone

REFUSED = 124
SHELL = "/usr/bin/bash"
RCFILE = "/usr/lib/hatchway/targetrc"
TERMINFO = "/usr/share/terminfo"
_SIGKILL = 9
_CLONE_NEWTIME = 0x80  # linux/sched.h
# Of the image's own environment, what speaks of the host.
_OF_HOST = ("HOST", "SYSTEMD_IGNORE_CHROOT")


class Passage:
    """To be made by the joiner, and gone by a child of it."""

    def __init__(self, session: Session, subject: Subject) -> None:
        self.session = session
        self.subject = subject
        self.who = identity.choose(subject, session.user)
        self.mask = identity.rights(
            subject, self.who, session.capabilities, as_target=session.root, ptrace=session.ptrace
        )
        wanted = session.environment or session.variables or session.root
        self.theirs = subject.environment() if wanted else {}

    def go(self) -> int:
        """Leave a child of the joiner's in the target, which minds the command, and end."""
        kernel.prctl(kernel.PR_SET_PDEATHSIG, _SIGKILL)
        stage.leave_toolbox()
        cloned = tree.clone(self.subject)
        belt = self._enter(cloned)
        kernel.setns(self.subject.handle, kernel.CLONE_NEWPID)
        words = self.session.command or _shell(belt)
        directory = self._directory(cloned)
        environment = {**self._environment(belt), "HOSTNAME": os.uname().nodename}
        identity.become(self.subject, self.who, self.mask)
        descriptors.close_from(3)
        try:
            forks.clone(
                descriptors.CLONE_PARENT,
                lambda: minder.mind(lambda: program.execute(words, environment, directory)),
            )
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
            return REFUSED
        return 0

    def _enter(self, cloned: Clone) -> Toolbelt | None:
        if self.session.root:
            return self._enter_target(cloned)
        self._enter_toolbox(cloned)
        return None

    def _enter_target(self, cloned: Clone) -> Toolbelt:
        if cloned.reason:
            raise _uncopied(cloned)
        there = stage.attach_target(cloned)
        self._seal(there)
        place = toolbelt.choose_place(os.listdir(there), self.session.tools_at)
        belt = Toolbelt(stage.build_target(there), place)
        belt.lay(self.who.outside)
        stage.seal()
        stage.enter()
        self._join_namespaces()
        return belt

    def _enter_toolbox(self, cloned: Clone) -> None:
        place = stage.build_toolbox(cloned)
        if place:
            self._seal(place)
        else:
            self._do_without(cloned)
        furniture = Furniture(cloned, self.session.volumes)
        own_processes = not self.subject.shares("pid")
        own_users = not self.subject.shares("user")
        stage.enter()
        furniture.lay()
        if own_users:
            # Our /root is not to be entered by the target's root.
            data = f"mode=0700,uid={self.who.outside[0]},gid={self.who.outside[1]}"
            kernel.mount("hatchway", "/root", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, data)
        self._join_namespaces()
        self._show_processes(inside=own_processes)
        if self.session.confined:
            procfs.restrict()
        furniture.show_network()

    def _show_processes(self, *, inside: bool) -> None:
        try:
            procfs.show(self.subject.handle, lambda: None, inside=inside)
        except JoinError:
            if self.subject.ends_within(1.0):
                raise self.subject.gone() from None
            raise

    def _join_namespaces(self) -> None:
        """All but those of processes, which children join, and of users, which comes last."""
        kinds = kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
        kernel.setns(self.subject.handle, kinds | kernel.CLONE_NEWCGROUP)
        if self.subject.has("time") and not self.subject.shares("time"):
            kernel.setns(self.subject.handle, _CLONE_NEWTIME)

    def _seal(self, place: str) -> None:
        if not self.session.read_only:
            return
        from hostview import seal

        try:
            seal.seal(place)
        except seal.SealError as error:
            raise JoinError("target.failed", f"cannot be made read-only: {error}") from None

    def _do_without(self, cloned: Clone) -> None:
        """The kernel copies no mounts: the target's files are seen through its own process."""
        if self.session.read_only:
            raise _uncopied(cloned)
        own = int(self.subject.status()["NSpid"].split()[-1])
        stage.lead_to(own)
        program.say(
            f"the kernel does not copy the target's mounts ({cloned.reason}): "
            f"{stage.PLACE} leads to /proc/{own}/root"
        )

    def _directory(self, cloned: Clone) -> str:
        root = "" if self.session.root else stage.PLACE
        if self.session.workdir:
            return self.session.workdir
        return f"{root}{cloned.directory if self.session.directory else '/'}"

    def _environment(self, belt: Toolbelt | None) -> dict[str, str]:
        """Ours, with the target's below it: theirs never stands before ours."""
        ours = {**os.environ, "HATCHWAY_TARGET": self.session.name}
        for name in _OF_HOST:
            ours.pop(name, None)
        ours.setdefault("PATH", program.PATH)
        if belt:
            ours.pop("container", None)
            ours.update(
                PATH=f"{belt.path}:{self.theirs.get('PATH', program.PATH)}",
                HOME=belt.home, SHELL=belt.shell, USER="root", LOGNAME="root", LESSHISTFILE="-",
                TERMINFO_DIRS=f":{belt.place}{TERMINFO}",
            )  # fmt: skip
        below = variables.harmless(self.theirs) if self.session.environment else {}
        named, missing = variables.named(self.theirs, self.session.variables)
        for name in missing:
            program.say(f"{self.session.name} has no variable {name}")
        return {**below, **named, **ours}


def _uncopied(cloned: Clone) -> JoinError:
    message = f"the kernel does not copy the target's mounts: {cloned.reason}"
    hint = "Without --root target, and writable, its files are at /proc/1/root."
    return JoinError("target.kernel", message, hint)


def _shell(belt: Toolbelt | None) -> list[str]:
    if belt:
        return [belt.shell, "--noprofile", "--rcfile", belt.place + RCFILE]
    return [SHELL, "--rcfile", RCFILE]
