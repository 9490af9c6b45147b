# SPDX-License-Identifier: Apache-2.0
"""Work in real children, that answers, fails, hangs or is killed."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from launcher import apart, interrupt, proc
from launcher.errors import HatchwayError, HostError
from launcher.interrupt import Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.realtime


@pytest.fixture(autouse=True)
def patient_with_the_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them hangs in the kernel: on a slow machine, too, each is gone before we look."""
    monkeypatch.setattr(apart, "_GRACE", 10)


def raising(error: Exception) -> Any:
    raise error


def test_what_a_child_finds_comes_back() -> None:
    pid = apart.answer(os.getpid, 10)
    assert pid != os.getpid()
    assert apart.answer(lambda: {"a": (1, b"x")}, 10) == {"a": (1, b"x")}


def test_pieces_come_one_by_one_and_there_may_be_many() -> None:
    found = apart.pieces(lambda: (bytes(65536) for _ in range(200)), lambda: 10)
    assert sum(map(len, found)) == 200 * 65536


def test_whoever_has_enough_ends_the_child() -> None:
    with contextlib.closing(apart.pieces(itertools.count, lambda: 10)) as found:
        assert [next(found) for _ in range(3)] == [0, 1, 2]
        assert proc.children()
    assert proc.children() == set()


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(2, "No such file or directory", "/x"),
        ValueError("no number"),
        HostError("host.program", "it failed", "Mend it."),
    ],
)
def test_what_goes_wrong_in_the_child_is_raised_here(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        apart.answer(lambda: raising(error), 10)
    assert str(caught.value) == str(error)
    if isinstance(caught.value, HatchwayError):
        assert (caught.value.code, caught.value.hint) == ("host.program", "Mend it.")


def test_a_defect_in_the_child_is_named() -> None:
    with pytest.raises(RuntimeError, match="KeyError: 'x'"):
        apart.answer(lambda: raising(KeyError("x")), 10)


def test_what_hangs_is_given_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TimeoutError):
        apart.answer((tmp_path / "pipe").read_bytes, 0.3)
    assert proc.children() == set()


def test_what_came_before_it_hung_is_there() -> None:
    def work() -> Iterator[str]:
        yield "first"
        time.sleep(600)

    seconds = iter((30, 0.3))
    found = apart.pieces(work, lambda: next(seconds))
    assert next(found) == "first"
    with pytest.raises(TimeoutError):
        next(found)


def test_a_child_that_is_killed_is_no_answer() -> None:
    with pytest.raises(OSError, match="it was killed"):
        apart.answer(lambda: os.kill(os.getpid(), signal.SIGKILL), 10)


def test_what_a_child_has_started_ends_with_it() -> None:
    def work() -> Iterator[int]:
        child = subprocess.Popen(("sleep", "600"))
        yield child.pid
        time.sleep(600)

    seconds = iter((30, 0.3))
    found = apart.pieces(work, lambda: next(seconds))
    pid = next(found)
    assert proc.Process.of(pid)
    with pytest.raises(TimeoutError):
        next(found)
    end = time.monotonic() + 10
    while proc.Process.of(pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert proc.Process.of(pid) is None


def test_a_child_holds_nothing_of_ours() -> None:
    def held() -> list[str]:
        places = list(Path("/proc/self/fd").iterdir())
        return [str(place.readlink()) for place in places if place.is_symlink()]

    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    ours = os.readlink(f"/proc/self/fd/{writing}")  # noqa: PTH115 - no path of a file
    theirs = apart.answer(held, 10)
    os.close(reading)
    os.close(writing)
    assert ours not in theirs
    assert theirs.count("/dev/null") >= 3


def test_a_signal_ends_the_wait() -> None:
    def work() -> None:
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(600)

    with pytest.raises(Interrupted), interrupt.noted():
        apart.answer(work, 600)
    assert proc.children() == set()
    with interrupt.noted():
        pass  # what comes after this test was not interrupted
