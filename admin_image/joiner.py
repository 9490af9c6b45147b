# SPDX-License-Identifier: Apache-2.0
"""A command beside a container: our tools, the target's network, processes and files.

    join --NAME=VALUE... -- [COMMAND [ARGUMENT...]]

The options are the fields of `spec.JoinSpec`, all of them. The command runs in the target's
namespaces, but for a mount namespace of its own in which the target's files are at `/target`, or
are `/`. Its status is ours; 125, 126 and 127 mean what they mean to `hatchway`.

This process stays where it is, outside: it alone sees the host. It sends a child in (`join_child`),
waits, hands signals on, and ends what the command leaves behind.

Few imports, and none once the mounts have changed: `/` is then the target's, and so would be
whatever is imported.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` would bring enum
import errno
import os
import sys
from typing import TYPE_CHECKING

from admin_image import descendants, fork, minder, program
from admin_image.errors import JoinError
from admin_image.join_child import REFUSED, JoinChild
from admin_image.session import Session
from admin_image.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Callable

_ENDING = frozenset({_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM})


def main() -> int:
    session = Session(sys.argv[1:])
    if session.read_only:
        import hostview.seal  # noqa: F401 - while it still can be found
    # What is missing now must not be looked for in the target.
    sys.meta_path.clear()
    return _guarded(session, lambda: join(session))


def join(session: Session) -> int:
    subject = Subject(session.pid, session.started, session.name)
    entry = JoinChild(session, subject)
    minder.hold_signals()
    status, inside = _sent(session, subject, entry)
    if not inside:
        return status

    def end_the_rest() -> None:
        # It has stopped to say that the command has left something.
        os.kill(inside, _signal.SIGCONT)
        descendants.end_descendants(subject.proc, inside)

    status = minder.wait(inside, end_the_rest)
    if status >= 0:
        return status
    # The minder does not die by itself; the target's first process ends when all others have.
    if subject.ends_within(1.0):
        program.say(f"{subject.name} ended, and the kernel ended all that was in it")
    return 128 - status


def _sent(session: Session, subject: Subject, entry: JoinChild) -> tuple[int, int]:
    """Send a child in; a status when it failed, and otherwise the process that is in now."""
    child = fork.fork(lambda: _guarded(session, entry.go))
    status, number = _finished(child)
    inside = descendants.children(subject.proc, os.getpid())
    if inside:
        if number:
            os.kill(inside[0], number)
        return 0, inside[0]
    if number:
        return 128 + number, 0
    # pid_namespaces(7): once its first process has ended, a namespace takes no more.
    if status == REFUSED and subject.ends_within(1.0):
        raise subject.gone()
    return (status if status > 0 else fork.FAILED), 0


def _finished(child: int) -> tuple[int, int]:
    """How the child ended, and the signal by which we were told to end meanwhile, or 0."""
    told = 0
    while True:
        number = minder.next_signal()
        if number == _signal.SIGCHLD:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status), told
        elif number in _ENDING:
            told = told or number
            os.kill(child, _signal.SIGKILL)


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
