# SPDX-License-Identifier: Apache-2.0
"""Items in real processes, of which some hang, die, or import what another one imports."""

from __future__ import annotations

import dataclasses
import errno
import importlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from launcher import apart, interrupt, proc
from launcher.monitor import SilentMonitor
from launcher.proc import Process
from toolbox.collect import gathering
from toolbox.collect.collector import Wishes
from toolbox.collect.collector import collect as collecting
from toolbox.collect.gathering import Work, gather
from toolbox.collect.item import Item, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.realtime


def gathered(
    collect: Callable[[Item], Outcome], *items: Item, seconds: float = 60, room: int = 1000,
    keep: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:  # fmt: skip
    """What becomes of the items; there is `room` for so many outcomes."""
    kept: list[Outcome] = []
    work = Work(
        items=items, collect=collect, keep=keep or kept.append, room=lambda: len(kept) < room,
        until=time.monotonic() + seconds, monitor=SilentMonitor(),
    )  # fmt: skip
    gather(work)
    assert proc.children() == set()
    return kept


def statuses(found: list[Outcome]) -> dict[str, str]:
    return {outcome.item.name: outcome.status for outcome in found}


def collected(item: Item) -> Outcome:
    """At once, but for some: by their names."""
    if item.name == "hangs":
        time.sleep(600)
    if item.name == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if item.name == "fails":
        raise KeyError(item.name)
    return Outcome(item=item, status="ok", content=item.name.encode())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolbox.collect.worker.GRACE", 0.5)
    monkeypatch.setattr(gathering, "GRACE", 0.5)


@pytest.fixture(autouse=True)
def patient_with_the_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them hangs in the kernel: on a slow machine, too, each is gone before we look."""
    monkeypatch.setattr(apart, "_GRACE", 10)


def test_what_was_collected_is_kept() -> None:
    found = gathered(collected, Item("look", "a"), Item("look", "b"))
    assert {outcome.item.name: outcome.content for outcome in found} == {"a": b"a", "b": b"b"}


def test_an_item_that_does_not_end_by_its_own_limit_is_given_up() -> None:
    items = (Item("http", "hangs", timeout=0.1), Item("http", "a"), Item("http", "b"))
    found = gathered(collected, *items)
    assert statuses(found) == {"hangs": "timeout", "a": "ok", "b": "ok"}


def test_the_end_of_the_whole_does_not_wait_for_an_item_that_hangs() -> None:
    found = gathered(collected, Item("http", "hangs"), Item("http", "a"), seconds=3)
    assert statuses(found) == {"hangs": "timeout", "a": "ok"}


@pytest.mark.parametrize(
    ("name", "note"), [("dies", "it was killed before"), ("fails", "KeyError: 'fails'")]
)
def test_a_worker_that_dies_costs_its_own_item(name: str, note: str) -> None:
    found = gathered(collected, Item("look", name), Item("look", "a"))
    assert statuses(found) == {name: "failed", "a": "ok"}
    assert any(note in outcome.note for outcome in found)


def test_what_a_pattern_stands_for_comes_in_its_place_and_once() -> None:
    def collect(item: Item) -> Outcome:
        found = tuple(Item("file", name) for name in ("x", "y", "first"))
        return Outcome(item=item, status="ok", matches=found if item.kind == "glob" else ())

    pattern = Item("glob", "mine")
    found = gathered(collect, Item("file", "first"), pattern, pattern, Item("file", "last"))
    assert sorted(outcome.item.name for outcome in found) == ["first", "last", "x", "y"]


def test_no_item_waits_for_the_import_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(1)\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def collect(item: Item) -> Outcome:
        if item.name == "child's":
            time.sleep(0.3)
            apart.answer(lambda: importlib.import_module("slow_to_import").__name__, 10)
        else:
            importlib.import_module("slow_to_import")
        return Outcome(item=item, status="ok")

    found = gathered(collect, Item("look", "own"), Item("look", "child's"))
    assert statuses(found) == {"own": "ok", "child's": "ok"}
    assert "slow_to_import" not in sys.modules


@pytest.fixture
def interrupted() -> Iterator[None]:
    with interrupt.noted():
        yield
    with interrupt.noted():
        pass  # what comes after this test was not interrupted


@pytest.mark.usefixtures("interrupted")
def test_a_signal_gives_each_the_time_to_say_how_far_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "GRACE", 3)

    def collect(item: Item) -> Outcome:
        if item.name == "deaf":
            (tmp_path / "begun").touch()
            time.sleep(600)
        while not (tmp_path / "begun").exists():
            time.sleep(0.02)
        os.kill(os.getppid(), signal.SIGTERM)  # both are under way
        while True:
            try:
                interrupt.check()
            except interrupt.Interrupted:
                return Outcome(item=item, status="interrupted", content=b"half")
            time.sleep(0.02)

    items = tuple(Item("exec", name) for name in ("deaf", "listens", "never"))
    found = gathered(collect, *items)
    assert statuses(found) == {"deaf": "interrupted", "listens": "interrupted", "never": "skipped"}
    assert [outcome.content for outcome in found if outcome.content] == [b"half"]


def test_a_disk_that_fills_ends_what_is_under_way() -> None:
    found = gathered(collected, Item("look", "hangs"), Item("look", "a"), room=1)
    assert statuses(found) == {"hangs": "skipped", "a": "ok"}


def test_a_bundle_that_cannot_be_written_ends_what_is_under_way() -> None:
    def keep(_outcome: Outcome) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        gathered(collected, Item("look", "hangs"), Item("look", "a"), keep=keep)
    assert proc.children() == set()


def test_one_that_is_given_up_ends_the_program_that_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolbox.collect.worker._LAST", 30)  # it answers when that is done

    def collect(item: Item) -> Outcome:
        return collecting(dataclasses.replace(item, timeout=60), Wishes())  # over its own limit

    script = f"echo $$ > {tmp_path}/pid; exec sleep 600"
    (outcome,) = gathered(collect, Item("exec", "x", ("sh", "-c", script), timeout=3))
    assert outcome.status == "timeout"
    assert Process.of(int((tmp_path / "pid").read_text())) is None


@pytest.fixture(params=[BlockingIOError(), OSError(errno.ENOMEM, "no memory")])
def no_room(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> int:
        raise request.param

    monkeypatch.setattr(os, "fork", full)


@pytest.mark.usefixtures("no_room")
def test_a_host_without_room_for_a_process_is_looked_at_all_the_same() -> None:
    assert statuses(gathered(collected, Item("look", "a"))) == {"a": "ok"}


@pytest.mark.usefixtures("no_room")
def test_also_there_the_end_comes_in_time() -> None:
    def collect(item: Item) -> Outcome:
        if item.name == "b":  # it takes more than there is
            time.sleep(3)
        return Outcome(item=item, status="ok")

    found = gathered(collect, *(Item("look", name) for name in "abcd"), seconds=2)
    assert statuses(found) == {"a": "ok", "b": "ok", "c": "skipped", "d": "skipped"}
