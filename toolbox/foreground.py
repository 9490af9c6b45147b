# SPDX-License-Identifier: Apache-2.0
"""A client in the foreground: our streams, terminal and process group are its own.

The launcher only waits. What a terminal sends, ctrl-C and a changed size, reaches the client from
the kernel as well; what somebody sends to the launcher alone is handed on to it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import termios
import time
from typing import TYPE_CHECKING, Any, Final

from launcher import bounds
from launcher.errors import HatchwayError
from toolbox.outlet import Outlet
from toolbox.spawning import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from toolbox.spawning import Streams

SI_KERNEL: Final = 0x80  # include/uapi/asm-generic/siginfo.h: not sent by a process
_DEAF: Final = 5.0  # seconds that a client may take to start what it runs
_LOOK: Final = 0.05
_WRITTEN: Final = 5.0  # for what an ended client has printed to be on the disk
_QUESTION: Final = 2.0
HANDED_ON: Final = (
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
)  # fmt: skip


class Client:
    """A client that runs, within `blocked`.

    `asked_to_end` is the last signal that came to us, `told_to_end` when it first was one that
    leaves no choice (SIGTERM, SIGHUP; on the monotonic clock). `output_lost` is why something that
    it printed could not be written. `hears` says whether what is sent
    to the client reaches the command by now: until then, but not for ever, it is kept back.
    """

    def __init__(
        self,
        argv: tuple[str, ...],
        *,
        streams: Streams = None,
        silent: bool = False,
        hears: Callable[[], bool] | None = None,
        directory: Path | None = None,
    ) -> None:
        self.asked_to_end = 0
        self.told_to_end = 0.0
        self._hears = hears
        self._kept_back: list[int] = []
        self._kept_until = self._next_look = 0.0
        self._status: int | None = None
        self._outlet, self._told_of_loss = Outlet(streams), False
        self._pid = spawn(argv, self._outlet.streams, silent=silent, directory=directory)
        self._outlet.start()

    def wait(self, until: float | None = None, *, grace: float | None = None) -> int | None:
        """The client's status as a shell gives it, or None at `until` on the monotonic clock.

        A status that a signal to the client itself caused is below zero. With `grace`, None comes
        as well so many seconds after we were told to end, and once when output is lost.
        """
        watched = {signal.SIGCHLD, *HANDED_ON}
        while not self._reaped():
            if self.output_lost and not self._told_of_loss:
                self._told_of_loss = True
                return None
            if grace is not None and self.told_to_end:
                soon = self.told_to_end + grace
                until = soon if until is None else min(until, soon)
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                return None
            if self._kept_back:
                self._release()
                left = _LOOK if left is None else min(left, _LOOK)
            came = (
                signal.sigwaitinfo(watched) if left is None else signal.sigtimedwait(watched, left)
            )
            if came is not None and came.si_signo != signal.SIGCHLD:
                self._hand_on(came)
        return self._status

    @property
    def output_lost(self) -> OSError | None:
        return self._outlet.lost

    @property
    def killed(self) -> bool:
        """Whether a signal ended it, or not even that."""
        return self._status is None or self._status < 0

    def settle(self) -> None:
        """Wait until the command hears, the client has ended, or that takes too long.

        Whoever ends a client that is about to start a container leaves half of one.
        """
        until = time.monotonic() + _DEAF
        while time.monotonic() < until and not self._heard():
            if self.wait(time.monotonic() + _LOOK) is not None:
                return

    def send(self, number: int) -> None:
        """Signal the client itself; one that has ended is no error."""
        if self._status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, number)

    def end(self, *, grace: float) -> None:
        """Kill the client that has not ended after `grace` seconds.

        One that even then stays, since it hangs in the kernel, is not waited for.
        """
        if self.wait(time.monotonic() + grace) is None:
            self.send(signal.SIGKILL)
            self.wait(time.monotonic() + grace)

    def _hand_on(self, came: Any) -> None:
        self.asked_to_end = came.si_signo
        if came.si_signo in (signal.SIGTERM, signal.SIGHUP) and not self.told_to_end:
            self.told_to_end = time.monotonic()
        if came.si_code == SI_KERNEL:  # a terminal tells the whole process group
            return
        if self._hears is None:
            self.send(came.si_signo)
            return
        self._kept_until = self._kept_until or time.monotonic() + _DEAF
        self._kept_back.append(came.si_signo)

    def _release(self) -> None:
        """Hand on what was kept back, once that makes sense or has taken too long."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK
        if now < self._kept_until and not self._heard():
            return
        self._hears = None
        for number in self._kept_back:
            self.send(number)
        self._kept_back.clear()

    def _heard(self) -> bool:
        try:
            with bounds.deadline(_QUESTION, "the engine"):
                return self._hears is None or self._hears()
        except HatchwayError:  # an engine that does not answer is not waited for
            return True

    def _reaped(self) -> bool:
        if self._status is None:
            done, status = os.waitpid(self._pid, os.WNOHANG)
            if done:
                self._status = os.waitstatus_to_exitcode(status)
                self._outlet.finish(_WRITTEN)
        return self._status is not None


@contextlib.contextmanager
def blocked() -> Iterator[None]:
    """Signals wait for `Client.wait`, so that none is lost between two looks."""
    ours = {signal.SIGCHLD, *HANDED_ON}
    ignored = {n for n in HANDED_ON if signal.getsignal(n) is signal.SIG_IGN}  # as nohup(1) has it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ours - ignored)
    try:
        yield
    finally:
        # What is still pending was for the client, which has ended.
        for number in HANDED_ON:
            while signal.sigtimedwait({number}, 0) is not None:
                pass
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def unblocked() -> Iterator[None]:
    """Within `blocked`: programs that are started here begin with no signal blocked."""
    before = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD, *HANDED_ON})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def terminal_kept() -> Iterator[None]:
    """A client that is killed leaves the terminal raw; afterwards it is as it was."""
    try:
        before = termios.tcgetattr(0)
    except (termios.error, OSError):
        yield
        return
    try:
        yield
    finally:
        with _ignored(signal.SIGTTOU), contextlib.suppress(termios.error, OSError):
            termios.tcsetattr(0, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _ignored(number: signal.Signals) -> Iterator[None]:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)
