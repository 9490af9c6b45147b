# SPDX-License-Identifier: Apache-2.0
"""A command beside a container: our tools, the target's network, processes and files.

    join --NAME=VALUE... -- [COMMAND [ARGUMENT...]]

The options are the fields of `spec.JoinSpec`, all of them. The command runs in the target's
network, ipc, uts, pid and user namespaces, and in a mount namespace of its own in which the
target's files are at `/target`, or are `/`. Its status is ours; 125, 126 and 127 mean what they
mean to `hatchway`.

Few imports, and none once the mounts have changed: `/` is then the target's, and so would be
whatever is imported.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

from admin_image import identity, minder, program, toolbelt, tree
from admin_image.errors import JoinError
from admin_image.subject import Subject
from hostview import kernel

if TYPE_CHECKING:
    from collections.abc import Callable

SHELL = "/usr/bin/bash"
RCFILE = "/usr/lib/hatchway/targetrc"
TERMINFO = "/usr/share/terminfo"
# Of the image's own environment, what speaks of places that are not there when `/` is the target's.
_OF_TOOLBOX = ("HOST", "container", "SYSTEMD_IGNORE_CHROOT")


class Session:
    """What is asked for; the fields are those of `spec.JoinSpec`."""

    def __init__(self, words: list[str]) -> None:
        end = words.index("--")
        options = dict(word.removeprefix("--").split("=", 1) for word in words[:end])
        self.command = words[end + 1 :]
        self.pid = int(options["pid"])
        self.started = int(options["started"])
        self.name = options["name"]
        self.root = options["root"] == "target"
        self.tools_at = options["tools-at"]
        self.read_only = options["read-only"] == "yes"
        self.confined = options["confined"] == "yes"
        self.environment = options["environment"] == "target"
        self.directory = options["directory"] == "target"
        self.workdir = options["workdir"]
        self.user = options["user"]
        self.capabilities = int(options["capabilities"], 16)


def main() -> int:
    session = Session(sys.argv[1:])
    if session.read_only:
        import hostview.seal  # noqa: F401 - while it still can be found
    # What is missing now must not be looked for in the target.
    sys.meta_path.clear()
    return _guarded(session, lambda: join(session))


def join(session: Session) -> int:
    subject = Subject(session.pid, session.started, session.name)
    who = identity.choose(subject, session.user)
    mask = identity.rights(subject, session.capabilities, as_target=session.root)
    theirs = subject.environment() if session.environment or session.root else {}
    tree.leave_toolbox()
    cloned = tree.clone(subject)
    belt = _show_files(session, subject, cloned, who)
    directory = _directory(session, cloned)
    environment = _environment(session, theirs, belt)
    same = {kind: subject.shares(kind) for kind in ("net", "pid")}
    minder.hold_signals()
    kernel.setns(
        subject.handle,
        kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWPID,
    )

    def command() -> int:
        environment["HOSTNAME"] = os.uname().nodename
        return program.execute(session.command or _shell(belt), environment, directory)

    def inside() -> int:
        if belt:
            tree.become_root()
        elif not same["net"]:
            tree.show_network()
        if not belt and not same["pid"]:
            tree.show_processes(confined=session.confined)
        identity.become(subject, who, mask)
        return minder.mind(command, subject.proc)

    status = minder.wait(_forked(subject, lambda: _guarded(session, inside)))
    if status >= 0:
        return status
    # The minder does not die by itself; the target's first process ends when all others have.
    if subject.ends_within(1.0):
        program.say(f"{subject.name} ended, and the kernel ended all that was in it")
    return 128 - status


def _show_files(
    session: Session, subject: Subject, cloned: tree.Clone, who: identity.Identity
) -> toolbelt.Toolbelt | None:
    """Bring the target's files into view; the tools among them when they are to be `/`."""
    if cloned.reason:
        _do_without(session, subject, cloned)
        return None
    tree.attach(cloned)
    if session.read_only:
        from hostview import seal

        try:
            seal.seal(tree.PLACE)
        except seal.SealError as error:
            raise JoinError("target.failed", f"cannot be made read-only: {error}") from None
    if session.root:
        belt = toolbelt.Toolbelt(tree.PLACE, toolbelt.find_place(tree.PLACE, session.tools_at))
        belt.lay(who.outside)
        return belt
    if not subject.shares("user"):
        # Our /root is not to be entered by the target's root.
        data = f"mode=0700,uid={who.outside[0]},gid={who.outside[1]}"
        kernel.mount("hatchway", "/root", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, data)
    return None


def _do_without(session: Session, subject: Subject, cloned: tree.Clone) -> None:
    """The kernel copies no mounts: the target's files are seen through its own process."""
    if session.root or session.read_only:
        message = f"the kernel does not copy the target's mounts: {cloned.reason}"
        hint = "Without --root target, and writable, its files are at /proc/1/root."
        raise JoinError("target.kernel", message, hint)
    own = int(subject.status()["NSpid"].split()[-1])
    tree.lead_to(own)
    program.say(
        f"the kernel does not copy the target's mounts ({cloned.reason}): "
        f"{tree.PLACE} leads to /proc/{own}/root"
    )


def _directory(session: Session, cloned: tree.Clone) -> str:
    root = "" if session.root else tree.PLACE
    if session.workdir:
        return session.workdir
    return f"{root}{cloned.directory if session.directory else '/'}"


def _environment(
    session: Session, theirs: dict[str, str], belt: toolbelt.Toolbelt | None
) -> dict[str, str]:
    """Ours, with the target's below it: theirs never stands before ours."""
    ours = {**os.environ, "HATCHWAY_TARGET": session.name}
    ours.setdefault("PATH", program.PATH)
    if belt:
        for name in _OF_TOOLBOX:
            ours.pop(name, None)
        ours.update(
            PATH=f"{belt.path}:{theirs.get('PATH', program.PATH)}",
            HOME=belt.home, SHELL=belt.shell, USER="root", LOGNAME="root", LESSHISTFILE="-",
            TERMINFO_DIRS=f":{belt.place}{TERMINFO}",
        )  # fmt: skip
    if not session.environment:
        return ours
    return {**program.trusted(theirs), **ours}


def _forked(subject: Subject, work: Callable[[], int]) -> int:
    try:
        return minder.fork(work)
    except OSError as error:
        # pid_namespaces(7): once its first process has ended, a namespace takes no more.
        if error.errno == errno.ENOMEM and subject.ends_within(1.0):
            raise subject.gone() from None
        raise


def _shell(belt: toolbelt.Toolbelt | None) -> list[str]:
    if belt:
        return [belt.shell, "--noprofile", "--rcfile", belt.place + RCFILE]
    return [SHELL, "--rcfile", RCFILE]


def _explained(session: Session, error: OSError) -> JoinError:
    """What the kernel's refusal means to whoever called."""
    if error.errno == errno.ESRCH:
        hint = "It ended, or restarted under another number: look for it again."
        return JoinError("target.gone", f"{session.name} is no longer there", hint)
    what = f": {error.filename}" if error.filename else ""
    message = f"cannot join {session.name}: {error.strerror or error}{what}"
    hint = ""
    if error.errno in (errno.EPERM, errno.EACCES):
        hint = "The container needs the host's pid namespace, CAP_SYS_ADMIN and CAP_SYS_PTRACE."
    return JoinError("target.failed", message, hint)


def _guarded(session: Session, work: Callable[[], int]) -> int:
    """Do `work`; whatever it raises becomes a sentence and 125."""
    try:
        return work()
    except JoinError as error:
        return program.fail(error)
    except OSError as error:
        return program.fail(_explained(session, error))
    except Exception as error:  # noqa: BLE001 - no traceback can be printed any more
        return program.fail(
            JoinError("target.failed", f"a defect: {type(error).__name__}: {error}")
        )
