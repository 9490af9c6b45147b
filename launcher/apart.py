# SPDX-License-Identifier: Apache-2.0
"""What may hang in the kernel, done by a child that can be given up.

Whoever asks a dead file server waits for ever, and no signal reaches it. A thread that does so
would keep this whole process from ending; a child that was given up holds nothing of ours.

What another thread holds while a child is made, such as the lock of a module that it imports, stays
taken in the child for ever. So there is to be no other thread then, or none that imports or locks.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, TypeVar

from launcher import interrupt
from launcher.errors import HatchwayError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from multiprocessing.connection import Connection

    Work = Callable[[], Iterable[Any]]
    Pieces = Generator[Any, None, None]

_POLL: Final = 0.1  # seconds
_GRACE: Final = 0.2  # until a child that was killed counts as one that hangs in the kernel
_LONGEST: Final = 5.0  # the same, for one that only waits for a processor

_Answer = TypeVar("_Answer")


def answer(work: Callable[[], _Answer], seconds: float) -> _Answer:
    """What `work` returns; `TimeoutError` when it takes longer."""
    with contextlib.closing(pieces(lambda: [work()], lambda: seconds)) as found:
        only: _Answer = next(found)
        return only


def pieces(work: Work, left: Callable[[], float]) -> Pieces:
    """What `work` yields in a child, as it comes; closing the generator ends the child.

    `left` is asked before each piece how many seconds that one may take; `TimeoutError` when it
    took longer. What `work` raises is raised here; a kind that is not ours as `RuntimeError`.
    """
    try:
        child = Child(work)
    except OSError:  # a host that has room for no process more is looked at all the same
        yield from work()
        return
    with contextlib.closing(child):
        try:
            _await(child, left())
            for piece in child:
                yield piece
                _await(child, left())
        except OSError:
            interrupt.check()  # what ended us ended the child as well
            raise


def _await(child: Child, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not child.ready.poll(max(min(until - time.monotonic(), _POLL), 0)):
        interrupt.check()
        if time.monotonic() >= until:
            raise TimeoutError("no answer in time")


class Child:
    """Work under way: an iterator of what it gives, which waits unless `ready` can be read.

    Raises `OSError` where there is no room for a process more.
    """

    def __init__(self, work: Work) -> None:
        from multiprocessing.connection import Pipe

        self.ready, theirs = Pipe(duplex=False)
        self.pid = os.fork()
        if self.pid == 0:
            _serve(work, theirs)
        theirs.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        try:
            piece, error, ended = self.ready.recv()
        except EOFError:
            raise OSError("it was killed before it was done") from None
        if error is not None:
            raise error
        if ended:
            raise StopIteration
        return piece

    def close(self) -> None:
        """End it, with what it started that leads no session of its own."""
        self.ready.close()
        _end(self.pid)


def _serve(work: Work, theirs: Connection) -> NoReturn:
    try:
        _alone(theirs.fileno())
        try:
            for piece in work():
                theirs.send((piece, None, False))
            theirs.send((None, None, True))
        except (OSError, ValueError, HatchwayError) as error:
            theirs.send((None, error, True))
        except Exception as defect:  # noqa: BLE001 - it is raised again in the parent
            theirs.send((None, RuntimeError(f"{type(defect).__name__}: {defect}"), True))
    finally:
        os._exit(0)


def _alone(kept: int) -> None:
    """Hold nothing of the parent's: a pipe or a lock of its would outlive it with us."""
    gc.freeze()  # what the parent's objects would close at their end may be ours by then
    os.setsid()
    for number in interrupt.SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in {0, 1, 2} - {kept}:
        os.dup2(null, fd)
    for entry in list(Path("/proc/self/fd").iterdir()):
        if int(entry.name) not in (0, 1, 2, kept):
            with contextlib.suppress(OSError):  # the one that listed them
                os.close(int(entry.name))


def _end(pid: int) -> None:
    """End the child with all that it started; one that hangs is left to whoever reaps orphans."""
    for kill in (os.killpg, os.kill):  # it may not have had the time to lead a group
        with contextlib.suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)
    began = time.monotonic()
    while not os.waitpid(pid, os.WNOHANG)[0]:
        waited = time.monotonic() - began
        if waited > _LONGEST or (waited > _GRACE and _hangs(pid)):
            return
        time.sleep(0.002)


def _hangs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:
        return False
    return state == b"D"
