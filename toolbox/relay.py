# SPDX-License-Identifier: Apache-2.0
"""A standard input whose end comes no sooner than the client can hear it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final

from launcher.errors import HatchwayError
from launcher.interrupt import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable

POLL: Final = 0.05  # seconds
CHUNK: Final = 1 << 16


class Relay:
    """A pipe that gives what `source` gives, and ends when that has ended and `hears` says so.

    `reader` is for the client; `start` when the client has it. No thread runs before: the client
    is made by fork(2).
    """

    def __init__(self, source: int, hears: Callable[[], bool]) -> None:
        self._source, self._hears = source, hears
        self._over = threading.Event()
        self.reader, self._writer = os.pipe()

    def start(self) -> None:
        os.close(self.reader)
        threading.Thread(target=self._fill, daemon=True).start()

    def stop(self) -> None:
        """The client has ended: nobody is left who would hear."""
        self._over.set()

    def _fill(self) -> None:
        try:
            while chunk := os.read(self._source, CHUNK):
                view = memoryview(chunk)
                while view:
                    view = view[os.write(self._writer, view) :]
            while not (self._over.is_set() or self._hears()):
                self._over.wait(POLL)
        except (OSError, HatchwayError, Interrupted):
            pass  # the reader has gone, or nobody can be asked: either way it is over
        finally:
            os.close(self._writer)
