# SPDX-License-Identifier: Apache-2.0
"""Standard output and error that lead to a disk, which may be full.

Clients of engines stop reading a command's output when they cannot write it: some then wait for
ever, others end with status 0 and without a word. So where an output is a file, we write it, and
whoever waits for the client learns that it is lost.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from toolbox.spawning import Streams

CHUNK: Final = 1 << 16
_NULL: Final = os.makedev(1, 3)


class Outlet:
    """Pipes in the place of those outputs that are files; `streams` are for the client.

    `start` when the client has them: no thread runs before, as it is made by fork(2). `lost` is
    the first error; then the thread that made this object gets a SIGCHLD, which it waits for
    anyway, and the client's output is dropped, so that it can end.
    """

    def __init__(self, streams: Streams) -> None:
        self.lost: OSError | None = None
        self.streams = streams
        self._waiting = threading.get_ident()
        self._pipes = dict[int, tuple[int, int]]()  # by the file that they lead to
        self._threads = list[threading.Thread]()
        stdin, *outputs = streams or (0, 1, 2)
        led = [self._led(number) for number in outputs]
        if self._pipes:
            self.streams = (stdin, led[0], led[1])

    def _led(self, number: int) -> int:
        if not _can_be_full(number):
            return number
        for other, (_, writer) in self._pipes.items():
            if os.path.samestat(os.fstat(other), os.fstat(number)):
                return writer  # `> file 2>&1` keeps its order
        self._pipes[number] = os.pipe()
        return self._pipes[number][1]

    def start(self) -> None:
        for number, (reader, writer) in self._pipes.items():
            os.close(writer)
            thread = threading.Thread(target=self._write, args=(reader, number), daemon=True)
            self._threads.append(thread)
            thread.start()

    def finish(self, limit: float) -> None:
        """Wait until all that the client has printed is written, `limit` seconds for each."""
        for thread in self._threads:
            thread.join(limit)
            if thread.is_alive():
                self.lost = self.lost or OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

    def _write(self, reader: int, number: int) -> None:
        lost = False
        try:
            while chunk := os.read(reader, CHUNK):
                view = memoryview(b"" if lost else chunk)
                try:
                    while view:
                        view = view[os.write(number, view) :]
                except OSError as error:
                    lost, self.lost = True, self.lost or error
                    with contextlib.suppress(ProcessLookupError):
                        signal.pthread_kill(self._waiting, signal.SIGCHLD)
        finally:
            os.close(reader)


def _can_be_full(number: int) -> bool:
    """Whether it is a file or a device; a terminal and /dev/null are none that can be full."""
    try:
        facts = os.fstat(number)
    except OSError:
        return False
    if stat.S_ISCHR(facts.st_mode):
        return facts.st_rdev != _NULL and not os.isatty(number)
    return stat.S_ISREG(facts.st_mode) or stat.S_ISBLK(facts.st_mode)
