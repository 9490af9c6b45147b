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

from admin_image import (
    apparmor,
    fork,
    identity,
    minder,
    new_root,
    observer,
    procfs,
    program,
    shell_environment,
    toolbelt,
    tree,
)  # fmt: skip
from admin_image.confinement import DAC_READ_SEARCH, rules
from admin_image.errors import JoinError
from admin_image.observer import Observer
from admin_image.seccomp import Filter
from admin_image.toolbelt import Toolbelt
from admin_image.toolbox_mounts import ToolboxMounts
from hostview import descriptors, kernel
from hostview.seccomp_allow import EPERM

if TYPE_CHECKING:
    from admin_image.session import Session
    from admin_image.subject import Subject
    from admin_image.tree import Clone

REFUSED = 124
_SIGKILL = 9
_CLONE_NEWTIME = 0x80  # linux/sched.h


class JoinChild:
    """To be made by the joiner, and gone by a child of it."""

    def __init__(self, session: Session, subject: Subject) -> None:
        self.session = session
        self.subject = subject
        self.who = identity.choose(subject, session.user, session.observer)
        self.mask = identity.rights(
            subject, self.who, session.capabilities, as_target=session.root, ptrace=session.ptrace
        )
        wanted = session.environment or session.variables or session.root
        self.theirs = subject.environment() if wanted else {}
        self.profile = apparmor.of(subject) if session.confined else ""
        # While their library can be found.
        self.opener_calls = Filter(procfs.CALLS, error=EPERM)
        self.observer = Observer(self.who.uid) if session.observer else None
        self.calls = None if self.observer else self._calls()

    def _calls(self) -> Filter | None:
        """What engines refuse to a container, by the capabilities that the command keeps."""
        target_is_filtered = self.session.root and self.subject.status()["Seccomp"] == "2"
        if not self.session.confined and not target_is_filtered:
            return None
        # By a handle one reaches all of the disk that a volume is on.
        return Filter(rules(self.mask & ~DAC_READ_SEARCH), error=0, everywhere=True)

    def go(self) -> int:
        """Leave a child of the joiner's in the target, which minds the command, and end."""
        kernel.prctl(kernel.PR_SET_PDEATHSIG, _SIGKILL)
        new_root.leave_toolbox()
        cloned = tree.clone(self.subject)
        belt = self._enter(cloned)
        kernel.setns(self.subject.handle, kernel.CLONE_NEWPID)
        words = self.session.command or shell_environment.shell(belt)
        directory = shell_environment.directory(self.session, cloned.directory)
        environment = shell_environment.environment(self.session, self.theirs, belt)
        self._become(belt)
        descriptors.close_from(3)
        try:
            fork.clone(
                descriptors.CLONE_PARENT,
                lambda: minder.mind(lambda: program.execute(words, environment, directory)),
            )
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
            return REFUSED
        return 0

    def _become(self, belt: Toolbelt | None) -> None:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        if self.profile:
            apparmor.adopt(self.subject, self.profile, shell_environment.least(belt))
        identity.join_users(self.subject)
        if self.observer:
            # All else at the target's root is the target's: a FIFO in its /tmp as well.
            self.observer.become((belt.home,) if belt else observer.PLACES)
            return
        identity.become(self.subject, self.who, self.mask)
        if self.calls:
            self.calls.load()

    def _enter(self, cloned: Clone) -> Toolbelt | None:
        if self.session.root:
            return self._enter_target(cloned)
        self._enter_toolbox(cloned)
        return None

    def _enter_target(self, cloned: Clone) -> Toolbelt:
        if cloned.reason:
            raise _uncopied(cloned)
        there = new_root.attach_target(cloned)
        self._seal(there)
        place = toolbelt.choose_place(os.listdir(there), self.session.tools_at)
        belt = Toolbelt(new_root.build_target(there), place)
        belt.lay(self.who.outside)
        new_root.seal()
        new_root.enter()
        self._join_namespaces()
        return belt

    def _enter_toolbox(self, cloned: Clone) -> None:
        place = new_root.build_toolbox(cloned)
        if place:
            self._seal(place)
        else:
            self._do_without(cloned)
        mounts = ToolboxMounts(cloned, place, self.session.volumes)
        own_processes = not self.subject.shares("pid")
        own_users = not self.subject.shares("user")
        new_root.enter()
        mounts.lay()
        if own_users:
            # Our /root is not to be entered by the target's root.
            data = f"mode=0700,uid={self.who.outside[0]},gid={self.who.outside[1]}"
            kernel.mount("hatchway", "/root", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, data)
        self._join_namespaces()
        self._show_processes(inside=own_processes)
        if self.session.confined:
            procfs.restrict()
        mounts.show_network()

    def _show_processes(self, *, inside: bool) -> None:
        try:
            procfs.show(self.subject.handle, self.opener_calls, inside=inside)
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
        new_root.lead_to(own)
        program.say(
            f"the kernel does not copy the target's mounts ({cloned.reason}): "
            f"{new_root.PLACE} leads to /proc/{own}/root"
        )


def _uncopied(cloned: Clone) -> JoinError:
    message = f"the kernel does not copy the target's mounts: {cloned.reason}"
    hint = "Without --root target, and writable, its files are at /proc/1/root."
    return JoinError("target.kernel", message, hint)
