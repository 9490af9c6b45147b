# SPDX-License-Identifier: Apache-2.0
"""Bounds a pull in time, and ends it at once: one thread works, the caller's thread watches.

A name lookup cannot be interrupted and a server can trickle bytes for ever; so the caller never
waits in a system call of the network, and cuts connections that are overdue.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Final, TypeVar

from launcher import interrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
TICK: Final = 0.1  # seconds between looks at overdue connections
LEAVE_GRACE: Final = 1.0  # seconds that a cut-off worker gets to close its files


class StoppedError(Exception):
    """The work was cut off; who cut it knows why."""


class Watch:
    """The time that a pull has left, and the connections that it holds open."""

    def __init__(self, timeout: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._end = clock() + timeout
        self._lock = threading.Lock()
        self._open: dict[socket.socket, float] = {}
        self._cut: set[socket.socket] = set()
        self._stopped = False
        # What went wrong last: a pull that runs out of time says why it took so long.
        self.trouble = ""

    def remaining(self) -> float:
        """Give the seconds left; `StoppedError` when there are none or the caller is gone."""
        left = self._end - self.clock()
        if self._stopped or left <= 0:
            raise StoppedError
        return left

    def run(self, work: Callable[[], T]) -> T:
        """Do `work` in a thread; raises what it raises, or `TimeoutError` at the deadline."""
        results: list[T] = []
        errors: list[BaseException] = []
        done = threading.Event()

        def job() -> None:
            try:
                results.append(work())
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                errors.append(error)
            done.set()

        thread = threading.Thread(target=job, name="hatchway-pull", daemon=True)
        thread.start()
        try:
            self._wait(done)
        except BaseException:
            self.stop()
            thread.join(LEAVE_GRACE)
            raise
        if errors and isinstance(errors[0], StoppedError):
            raise TimeoutError  # the worker saw the deadline first
        if errors:
            raise errors[0]
        return results[0]

    def stop(self) -> None:
        """End the work: close what is open, refuse what would be opened."""
        self._stopped = True
        self.interrupt()

    def interrupt(self) -> None:
        """Close every connection that is open now."""
        with self._lock:
            for sock in self._open:
                _shut(sock)

    def add(self, sock: socket.socket, seconds: float) -> None:
        """Cut this connection after so many seconds, unless it is relaxed before."""
        self.remaining()
        with self._lock:
            self._open[sock] = self.clock() + seconds

    def relax(self, sock: socket.socket) -> None:
        """Leave this connection alone from now on; `TimeoutError` when it is cut already."""
        with self._lock:
            self._open[sock] = float("inf")
            if sock in self._cut:
                raise TimeoutError

    def remove(self, sock: socket.socket) -> bool:
        """Forget a connection that is closed; tells whether it was cut for being overdue."""
        with self._lock:
            self._open.pop(sock, None)
            was_cut = sock in self._cut
            self._cut.discard(sock)
        return was_cut

    def _wait(self, done: threading.Event) -> None:
        while not done.wait(TICK):
            interrupt.check()
            now = self.clock()
            if now >= self._end:
                raise TimeoutError
            with self._lock:
                for sock, due in self._open.items():
                    if due <= now:
                        self._cut.add(sock)
                        _shut(sock)


def each(jobs: Sequence[Callable[[], None]], *, at_once: int, give_up: Callable[[], None]) -> None:
    """Do jobs in threads; at the first failure `give_up` must end the others, and it is raised."""
    waiting = list(reversed(jobs))
    errors: list[BaseException] = []
    lock = threading.Lock()

    def worker() -> None:
        while True:
            with lock:
                if errors or not waiting:
                    return
                job = waiting.pop()
            try:
                job()
            except BaseException as error:  # noqa: BLE001 - raised again below
                errors.append(error)
                give_up()

    # Daemons, and no executor: the interpreter's end must not wait for a stuck connection.
    threads = [threading.Thread(target=worker, daemon=True) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _shut(sock: socket.socket) -> None:
    # Not sock.shutdown: that of an SSLSocket drops the TLS state under the thread that reads.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
