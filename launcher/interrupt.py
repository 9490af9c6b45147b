# SPDX-License-Identifier: Apache-2.0
"""Being told to stop: every such signal becomes an exception, so that clean-up runs."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """A signal asked us to stop; `number` says which."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def _raise(number: int, _frame: Any) -> NoReturn:
    raise Interrupted(number)


def handle() -> None:
    """From here on ctrl-C, a lost terminal and `kill` raise `Interrupted` in the main thread."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup(1) has it
            signal.signal(number, _raise)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Clean-up that a second ctrl-C must not cut in two; everything in it is bounded in time."""
    before = [(number, signal.signal(number, signal.SIG_IGN)) for number in SIGNALS]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
