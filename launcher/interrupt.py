# SPDX-License-Identifier: Apache-2.0
"""Being told to stop, while there is something to clean up.

A handler that raises can do so in the middle of an import or a destructor, where the exception is
lost or a lock stays taken. So the signal is only noted, our children are ended so that no wait
outlives them, and `check`, called wherever we wait, raises.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any, Final

from launcher import proc

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_noted: list[int] = []
_held = False


class Interrupted(BaseException):
    """A signal asked us to stop; `number` says which."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextlib.contextmanager
def noted() -> Iterator[None]:
    """Within, ctrl-C, a lost terminal and `kill` make the next `check` raise `Interrupted`.

    After a success they change nothing any more: what was done is done, and is yet to be told.
    """
    _noted.clear()
    before = [
        (number, signal.signal(number, _note))
        for number in SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN  # as nohup(1) has it
    ]
    try:
        yield
    except BaseException:
        for number, handler in before:
            signal.signal(number, handler)
        raise


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Clean-up that no signal cuts in two: it is heard after. All in it is bounded in time."""
    global _held  # noqa: PLW0603 - signals are one per process, and so is this
    _held = True
    try:
        yield
    finally:
        _held = False


def pending() -> bool:
    """Whether a signal came that `check` would raise."""
    return bool(_noted) and not _held


def check() -> None:
    """Raise `Interrupted` if a signal came, unless this is clean-up."""
    if pending():
        raise Interrupted(_noted[0])


def cause(error: BaseException) -> BaseException:
    """What really ended the work: a signal, if one came, for then the error is but its effect."""
    return Interrupted(_noted[0]) if _noted else error


def _note(number: int, _frame: Any) -> None:
    _noted.append(number)
    if _held:
        return
    for pid in proc.children():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
