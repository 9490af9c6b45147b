# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

import pytest

from launcher.errors import TargetError
from launcher.runtimes.base import State
from toolbox.target.found import Candidate, missing, pick, target
from toolbox.target.name import parse

NAME = parse("docker://web")


def one(identity: str, name: str = "", state: State = State.RUNNING, pid: int = 0) -> Candidate:
    return Candidate(
        runtime="docker", prefix="docker://", id=identity, name=name, state=state, pid=pid
    )


def test_a_whole_id_goes_before_a_name_and_a_name_before_a_beginning() -> None:
    whole, named, begun = one("web"), one("123", "web"), one("web9")
    assert pick(NAME, [begun, named, whole]) == whole
    assert pick(NAME, [begun, named]) == named
    assert pick(NAME, [begun]) == begun
    assert pick(NAME, []) is None


def test_what_runs_goes_before_what_a_restart_left() -> None:
    running = one("2", "web")
    assert pick(NAME, [one("1", "web", State.STOPPED), running]) == running


def test_several_that_fit_are_listed_so_that_each_can_be_typed() -> None:
    twelve = "0123456789ab"
    with pytest.raises(TargetError) as refused:
        pick(NAME, [one("web1"), one(twelve + "c" * 52, "web2")])
    assert refused.value.code == "target.ambiguous"
    assert f"docker://{twelve} (web2)" in refused.value.message
    assert refused.value.details["candidates"] == ["docker://web1", f"docker://{twelve}"]
    assert all(parse(uri) for uri in refused.value.details["candidates"])


def test_a_long_list_is_cut_for_people_and_whole_for_programs() -> None:
    with pytest.raises(TargetError) as refused:
        pick(NAME, [one(f"web{number}") for number in range(500)])
    assert len(refused.value.message) < 400
    assert len(refused.value.details["candidates"]) == 500


@pytest.mark.parametrize("state", [State.STOPPED, State.CREATED])
def test_what_does_not_run_is_no_target(state: State) -> None:
    with pytest.raises(TargetError) as refused:
        target(one("1", state=state, pid=os.getpid()), NAME)
    assert refused.value.code == "target.not-running"


def test_a_target_is_tied_to_the_start_of_its_process() -> None:
    found = target(one("1", "web", State.PAUSED, os.getpid()), NAME)
    assert found.process.alive()
    assert found.as_json()["state"] == "paused"


def test_a_process_that_is_gone_is_told() -> None:
    with pytest.raises(TargetError) as refused:
        target(one("1", pid=2**22 + 1), NAME)
    assert refused.value.code == "target.gone"


def test_the_hint_names_what_may_have_been_meant() -> None:
    assert "docker://wev" in missing(NAME, ["docker://wev"], "here").hint
    assert "pid:N" in missing(NAME, [], "here").hint
