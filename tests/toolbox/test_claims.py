# SPDX-License-Identifier: Apache-2.0
"""Places in /run: whose they are, and how one tells that nobody is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from toolbox import claims
from toolbox.claims import Record

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import sys, pathlib
from toolbox import claims
claims.RUN = pathlib.Path(sys.argv[1])
with claims.claim("abc"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(claims, "RUN", tmp_path / "run")
    return tmp_path / "run"


def record(own: str, began: float = 1.0) -> Record:
    return Record(
        id=own, container=f"c-{own}", runtime="podman", socket="", namespace="", image="x",
        profile="general", command=("true", "two words"), began=began, pid=os.getpid(),
    )  # fmt: skip


def test_a_claim_is_there_while_it_is_held_and_leaves_nothing(run: Path) -> None:
    with claims.claim("abc") as claim:
        claim.write(record("abc"))
        assert claims.alive() == [record("abc")]
        with claims.dead(run / "abc") as nobody:
            assert not nobody
    assert list(run.iterdir()) == []


def test_those_that_live_are_told_in_the_order_in_which_they_began() -> None:
    with claims.claim("b") as second, claims.claim("a") as first:
        second.write(record("b", 2.0))
        first.write(record("a", 1.0))
        assert [each.id for each in claims.alive()] == ["a", "b"]


def test_nobody_is_left_where_the_holder_was_killed(run: Path) -> None:
    argv = (sys.executable, "-c", HOLDER, str(run))
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with claims.dead(run / "abc") as nobody:
            assert not nobody
        holder.send_signal(signal.SIGKILL)
    assert claims.places() == [run / "abc"]
    with claims.dead(run / "abc") as nobody, claims.dead(run / "abc") as again:
        assert nobody
        assert not again  # one clears it, and only one
    assert claims.alive() == []


def test_a_damaged_record_is_none(run: Path) -> None:
    with claims.claim("abc") as claim:
        for text in ("", "{", "[]", '{"id": "abc"}', "null"):
            (claim.directory / "record.json").write_text(text)
            assert Record.read(claim.directory) is None
            assert claims.alive() == []


def test_the_places_are_roots_alone(run: Path) -> None:
    with claims.claim("abc") as claim:
        assert [path.stat().st_mode & 0o777 for path in (run, claim.directory)] == [0o700, 0o700]
