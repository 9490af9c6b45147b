# SPDX-License-Identifier: Apache-2.0
"""No test leaves a process behind: the one that did fails, and the process is named and ended.

Whatever a test starts is known by a mark that fork(2) and execve(2) pass on and that nobody takes
off: the limit for file locks, which the kernel knows and has not applied since 2.4. To be the
subreaper of all orphans would find them as well, but would change what is tested: who an orphan's
parent is, and whether one that has ended is gone. What a fixture starts may stay as long as the
fixture.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from launcher.proc import Process

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_RLIMIT_LOCKS: Final = 10  # include/uapi/asm-generic/resource.h
_BASE: Final = 1 << 40
# Seconds for what is about to end; only a test that fails waits as long.
PATIENCE = 15.0
_LOOK: Final = 0.01

_restarted: set[int] = set()


def keep(pid: int) -> None:
    """Let a process stay to the end of the run: a shared fixture's, which a test has restarted."""
    _restarted.add(pid)


def pytest_configure(config: pytest.Config) -> None:
    # xdist's `tx` are the workers that the process in front has others run the tests in.
    if not config.getoption("tx", None) or hasattr(config, "workerinput"):
        config.pluginmanager.register(_Guard())


class _Guard:
    """In the process that runs tests."""

    def __init__(self) -> None:
        self._mark = _BASE + os.getpid()
        self._kept: dict[object, set[Process]] = {}
        self._left_by: dict[Process, str] = {}
        _, most = resource.getrlimit(_RLIMIT_LOCKS)
        resource.setrlimit(_RLIMIT_LOCKS, (self._mark, most))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any]
    ) -> Generator[None, object, object]:
        """What a fixture that several tests share has started is its own."""
        if fixturedef.scope == "function":
            return (yield)
        before = set(self._running())
        try:
            return (yield)
        finally:
            self._kept[fixturedef] = set(self._running()) - before

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        for process in self._kept.pop(fixturedef, ()):
            self._left_by[process] = fixturedef.argname

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(
        self, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        try:
            return (yield)
        finally:
            allowed = set() if nextitem is None else _restarted
            end = time.monotonic() + PATIENCE
            while (left := self._left(allowed)) and time.monotonic() < end:
                time.sleep(_LOOK)
            if left:
                names = [self._name(process) for process in left]
                for process in left:
                    _end(process)
                pytest.fail("left behind:\n" + "\n".join(names), pytrace=False)

    def _left(self, allowed: set[int]) -> list[Process]:
        ours = {process.pid for kept in self._kept.values() for process in kept} | allowed
        return [process for process in self._running() if not _descends(process.pid, ours)]

    def _running(self) -> Iterator[Process]:
        """All that have our mark but ourselves, and have not ended."""
        for name in os.listdir("/proc"):  # noqa: PTH208 - hundreds, after each test
            if name.isdigit() and int(name) != os.getpid():
                # Others' processes are not for us to see, unless we are root.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    mark, _ = resource.prlimit(int(name), _RLIMIT_LOCKS)
                    if mark == self._mark and (process := Process.of(int(name))):
                        yield process

    def _name(self, process: Process) -> str:
        try:
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        except OSError:
            words = []
        line = b" ".join(words).decode(errors="backslashreplace")
        fixture = self._left_by.get(process)
        return f"  {process.pid} {line}" + (f" (of the fixture `{fixture}`)" if fixture else "")


def _descends(pid: int, ancestors: set[int]) -> bool:
    """Whether it is one of them, or was started by one of them."""
    while pid > 1 and pid not in ancestors:
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return False
        pid = int(fields[1])
    return pid in ancestors


def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(process.pid)
        if process.alive():
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        os.close(handle)
