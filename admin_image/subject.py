# SPDX-License-Identifier: Apache-2.0
"""The process that is joined: never another one that got its number later.

Everything is read through a descriptor of the host's /proc, which keeps showing the host's
processes when this process has gone elsewhere.
"""

from __future__ import annotations

import os
import time

from admin_image.errors import JoinError

# Seconds are a hundred of these everywhere that matters; only equality counts here.
_START = 19  # field 22 of proc_pid_stat(5), counted behind the command's name


class Subject:
    """A process by pid and start time; `handle` is its pidfd.

    Raises `JoinError` with `target.gone` when it is not, or no longer, that process.
    """

    def __init__(self, pid: int, started: int, name: str = "") -> None:
        self.pid = pid
        self.started = started
        self.name = name or f"pid:{pid}"
        self.proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.handle = os.pidfd_open(pid)
        except ProcessLookupError:
            raise self.gone() from None
        self.check()

    def check(self) -> None:
        """Raise unless it lives; what was opened by its number before this is really its own."""
        try:
            fields = self.read("stat").rpartition(b")")[2].split()
        except JoinError:
            raise self.gone() from None
        if fields[0] in b"ZX" or int(fields[_START]) != self.started:
            raise self.gone()

    def ends_within(self, seconds: float) -> bool:
        """Whether it has ended, or does so soon."""
        until = time.monotonic() + seconds
        while True:
            try:
                self.check()
            except JoinError:
                return True
            if time.monotonic() > until:
                return False
            time.sleep(0.01)

    def gone(self) -> JoinError:
        hint = "It ended, or restarted under another number: look for it again."
        return JoinError("target.gone", f"{self.name} is no longer there", hint)

    def open(self, name: str, flags: int) -> int:
        try:
            return os.open(f"{self.pid}/{name}", flags | os.O_CLOEXEC, dir_fd=self.proc)
        except (FileNotFoundError, ProcessLookupError):
            raise self.gone() from None

    def read(self, name: str) -> bytes:
        with os.fdopen(self.open(name, os.O_RDONLY), "rb") as file:
            try:
                return file.read()
            except ProcessLookupError:  # it was collected since the file was opened
                raise self.gone() from None

    def link(self, name: str) -> str:
        try:
            return os.readlink(f"{self.pid}/{name}", dir_fd=self.proc)
        except (FileNotFoundError, ProcessLookupError):
            raise self.gone() from None

    def has(self, kind: str) -> bool:
        """Whether the kernel knows namespaces of this kind."""
        try:
            os.readlink(f"self/ns/{kind}", dir_fd=self.proc)
        except FileNotFoundError:
            return False
        return True

    def shares(self, kind: str) -> bool:
        """Whether its namespace of this kind is ours too."""
        return self.link(f"ns/{kind}") == os.readlink(f"self/ns/{kind}", dir_fd=self.proc)

    def status(self) -> dict[str, str]:
        return self._fields(self.read("status"))

    def own_status(self) -> dict[str, str]:
        """The same of this process."""
        descriptor = os.open("self/status", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.proc)
        with os.fdopen(descriptor, "rb") as file:
            return self._fields(file.read())

    def environment(self) -> dict[str, str]:
        """Its environment as it was started with: the target's own word, to be distrusted."""
        pairs = (os.fsdecode(pair).partition("=") for pair in self.read("environ").split(b"\0"))
        return {name: value for name, equals, value in pairs if name and equals}

    @staticmethod
    def _fields(text: bytes) -> dict[str, str]:
        # Its own name is among them, and may hold all that `splitlines` takes for an end.
        lines = (line.partition(":") for line in os.fsdecode(text).split("\n"))
        return {name: value.strip() for name, _, value in lines}
