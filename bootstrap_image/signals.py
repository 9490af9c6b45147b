# SPDX-License-Identifier: Apache-2.0
"""Signals as something to poll for: the container is told to stop by one."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Final

_ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


class Signals:
    """From here on, SIGTERM, SIGINT and SIGHUP are noted and end nothing by themselves."""

    def __init__(self) -> None:
        self.descriptor, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._ending = False
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in _ENDING:
            # The byte in the pipe is what counts; a handler must exist for it to be written.
            signal.signal(number, lambda *_: None)

    def ending(self) -> bool:
        """Whether we were told to stop."""
        with contextlib.suppress(BlockingIOError):
            self._ending |= bool(_ENDING & set(os.read(self.descriptor, 4096)))
        return self._ending
