# SPDX-License-Identifier: Apache-2.0
"""Detached work: it outlives its caller, and its result outlives the container."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engine.toolbox import CLIENT_LISTENS, Toolbox, eventually, places, processes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.door import Finished

pytestmark = pytest.mark.engine
on_one_engine = pytest.mark.parametrize("engine", ["podman"], indirect=True)


@pytest.fixture
def box(engine: tuple[str, tuple[str, ...]]) -> Iterator[Toolbox]:
    found = Toolbox(*engine)
    before = found.left()
    yield found
    assert eventually(lambda: found.left() - before == set())


def detached(box: Toolbox, *arguments: str) -> str:
    made = box.run("--detach", *arguments)
    assert made.status == 0, made.stderr
    assert len(made.stdout.split()) == 1
    return made.stdout.strip()


def record(box: Toolbox, own: str) -> dict[str, object]:
    listed = box.call("list", "--output", "json").json()
    found = [each for each in listed["work"] if each["id"] == own]
    assert len(found) == 1, listed
    return dict(found[0])


def wait(box: Toolbox, own: str, *more: str) -> Finished:
    return box.call("wait", own, *more)


def test_it_prints_its_id_and_its_result_can_be_had_later(box: Toolbox) -> None:
    script = "echo out; echo err >&2; printf '\\000\\377'; exit 6"
    own = detached(box, "--", "sh", "-c", script)
    assert wait(box, own).status == 6
    printed = box.call_bytes("logs", own)
    assert (printed.returncode, printed.stdout) == (0, b"out\n\0\xff")
    assert printed.stderr == b"err\n"
    found = record(box, own)
    assert (found["state"], found["status"]) == ("ended", 6)
    assert found["command"] == ["sh", "-c", script]
    assert wait(box, own).status == 6  # again


@on_one_engine
def test_the_caller_returns_before_the_command_has_ended(box: Toolbox, tmp_path: Path) -> None:
    own = detached(box, "-v", f"{tmp_path}:/data", "--", "sh", "-c",
                   "until [ -e /data/go ]; do sleep 0.1; done; echo went")  # fmt: skip
    assert record(box, own)["state"] in ("starting", "running")
    assert wait(box, own, "--timeout", "0.5").status == 124
    (tmp_path / "go").touch()
    assert wait(box, own).status == 0
    assert box.call("logs", own).stdout == "went\n"


@on_one_engine
def test_its_log_can_be_followed_to_its_end(box: Toolbox) -> None:
    own = detached(box, "--", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.5; done")
    assert box.call("logs", "--follow", own).stdout == "1\n2\n3\n"
    assert record(box, own)["state"] == "ended"


@on_one_engine
def test_it_is_stopped_also_when_it_does_not_listen(box: Toolbox) -> None:
    polite = detached(box, "--", "bash", "-c", "trap 'exit 3' TERM; echo up; sleep 1002.5 & wait")
    assert eventually(lambda: box.call("logs", polite).stdout == "up\n")
    time.sleep(CLIENT_LISTENS)
    assert box.call("stop", polite).status == 0
    assert wait(box, polite).status == 3
    deaf = detached(box, "--", "bash", "-c", "trap '' TERM; echo up; sleep 1002.75; sleep 1002.75")
    assert eventually(lambda: box.call("logs", deaf).stdout == "up\n")
    time.sleep(CLIENT_LISTENS)
    assert box.call("stop", deaf, "--output", "json").json()["state"] == "ended"
    assert wait(box, deaf).status in (137, 143)
    assert box.call("stop", deaf).status == 0  # twice is as good as once
    assert processes("1002.5") + processes("1002.75") == []


def test_it_is_stopped_also_before_it_has_begun(box: Toolbox) -> None:
    own = detached(box, "--", "sleep", "1006.5")
    assert box.call("stop", own).status == 0
    assert record(box, own)["state"] == "ended"
    assert processes("1006.5") == []


@on_one_engine
def test_what_fails_before_the_command_is_on_record(box: Toolbox) -> None:
    own = detached(box, "--image", "localhost/none:1", "--pull", "never", "--", "true")
    assert wait(box, own).status == 125
    assert "[image.missing]" in box.call("logs", own).stderr


@on_one_engine
def test_a_time_limit_holds_without_the_caller(box: Toolbox) -> None:
    own = detached(box, "--timeout", "1", "--", "sleep", "1003.5")
    assert wait(box, own).status == 124
    assert processes("1003.5") == []


@on_one_engine
def test_bad_input_is_told_at_once(box: Toolbox) -> None:
    assert box.run("--detach", "--profile", "none", "--", "true").status == 64
    for verb in ("wait", "logs", "stop"):
        refused = box.call(verb, "ffffffff")
        assert refused.status == (125 if verb == "wait" else 1)
        assert "[toolbox.not-found]" in refused.stderr


def test_work_whose_waiter_was_killed_is_lost_and_says_so(box: Toolbox) -> None:
    before = places()
    own = detached(box, "--", "sh", "-c", "echo up; sleep 1004.5")
    assert eventually(lambda: box.call("logs", own).stdout == "up\n")
    os.kill(_worker(own), signal.SIGKILL)
    assert eventually(lambda: record(box, own)["state"] == "lost")
    lost = wait(box, own)
    assert lost.status == 125
    assert "[toolbox.lost]" in lost.stderr
    # Its launcher follows it, and takes the container along.
    assert eventually(lambda: places() - before == set() and processes("1004.5") == [])


def _worker(own: str) -> int:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
            stat = (path.parent / "stat").read_text()
        except OSError:  # it ended meanwhile
            continue
        ours = words[-4:-1] == [b"toolbox", b"work", own.encode()]
        if ours and int(stat.rpartition(")")[2].split()[1]) == 1:  # the launcher is its child
            return int(path.parent.name)
    raise AssertionError(own)


@on_one_engine
def test_no_secret_of_the_environment_is_left_on_disk(box: Toolbox) -> None:
    os.environ["DETACHED_TOKEN"] = "v4lue-for-detached"
    try:
        own = detached(box, "-e", "DETACHED_TOKEN", "--", "sh", "-c", "echo ${#DETACHED_TOKEN}")
    finally:
        del os.environ["DETACHED_TOKEN"]
    assert wait(box, own).status == 0
    assert box.call("logs", own).stdout == "18\n"
    for place in ("/var/lib/hatchway/toolbox", "/run/hatchway"):
        for path in Path(place).rglob("*"):
            assert not path.is_file() or b"v4lue-for-detached" not in path.read_bytes(), path
