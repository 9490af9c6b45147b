# SPDX-License-Identifier: Apache-2.0
"""Real signals, at the moments that matter."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from launcher import interrupt
from launcher.interrupt import Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    with interrupt.noted():
        pass  # what comes after was not interrupted


@pytest.mark.parametrize("number", interrupt.SIGNALS)
def test_a_signal_is_raised_where_somebody_checks(number: signal.Signals) -> None:
    with pytest.raises(Interrupted) as caught, interrupt.noted():  # noqa: PT012 - in between as well
        signal.raise_signal(number)
        interrupt.check()
    assert caught.value.number == number


def test_a_child_is_ended_at_once() -> None:
    with interrupt.noted(), subprocess.Popen(("sleep", "600")) as child:
        signal.raise_signal(signal.SIGINT)
        assert child.wait(30) == -signal.SIGTERM


def test_clean_up_goes_on_and_what_comes_after_does_not() -> None:
    with pytest.raises(Interrupted), interrupt.noted():  # noqa: PT012
        with interrupt.held(), subprocess.Popen(("sleep", "0.2")) as child:
            signal.raise_signal(signal.SIGTERM)
            interrupt.check()
            assert child.wait(30) == 0
        interrupt.check()


def test_what_one_job_heard_is_nothing_to_the_next() -> None:
    with interrupt.noted():
        signal.raise_signal(signal.SIGTERM)
    with interrupt.noted():
        interrupt.check()


def test_whoever_was_asked_to_ignore_a_signal_does() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupt.noted():
            signal.raise_signal(signal.SIGHUP)
            interrupt.check()
    finally:
        signal.signal(signal.SIGHUP, before)
