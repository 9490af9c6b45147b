# SPDX-License-Identifier: Apache-2.0
"""What engines print, and the filters that containerd gets."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.runtimes.base import State
from toolbox.target import containerd, containers

WORDS = st.from_regex(re.compile(r"[a-z0-9][a-z0-9.-]{2,30}", re.ASCII), fullmatch=True)
TASKS = """\
TASK      PID     STATUS
web       42      RUNNING
gone      0       STOPPED
held      7       PAUSED
"""
PODMAN = """\
[
  {"Id": "aa11", "Names": ["web", "also"], "State": "running", "Status": "Up 8 minutes"},
  {"Id": "bb22", "Names": ["old"], "State": "exited"},
  {"Id": "cc33", "Names": null, "State": "paused"}
]
"""
DOCKER = """\
{"ID":"aa11","Names":"web,other/alias","State":"running","Status":"Up 3 minutes"}
{"ID":"bb22","Names":"old","State":"exited"}
{"ID":"cc33","Names":"","State":"paused"}
"""


def test_tasks_are_read_with_their_states() -> None:
    assert containerd.parse_tasks(TASKS) == {
        "web": (42, State.RUNNING),
        "gone": (0, State.STOPPED),
        "held": (7, State.PAUSED),
    }


@pytest.mark.parametrize(("engine", "listing"), [("podman", PODMAN), ("docker", DOCKER)])
def test_listings_of_both_clients_are_read_alike(engine: str, listing: str) -> None:
    found = containers.parse_listing(engine, listing)
    assert [(one.uri(), one.name, one.state) for one in found] == [
        (f"{engine}://aa11", "web", State.RUNNING),
        (f"{engine}://bb22", "old", State.STOPPED),
        (f"{engine}://cc33", "", State.PAUSED),
    ]


@pytest.mark.parametrize("listing", ["", "[]", "\n"])
def test_no_container_is_no_error(listing: str) -> None:
    assert containers.parse_listing("docker", listing) == []


def test_names_are_those_of_kubernetes_or_nerdctl() -> None:
    labels = {
        containerd.POD: "web-0",
        containerd.POD_NAMESPACE: "shop",
        containerd.CONTAINER: "app",
    }
    assert containerd.name_of(labels) == "shop/web-0/app"
    assert containerd.name_of({containerd.NERDCTL_NAME: "web"}) == "web"
    assert containerd.name_of({}) == ""


@given(WORDS)
def test_a_pattern_takes_a_beginning_literally(word: str) -> None:
    pattern = containerd.beginning(word)
    assert re.match(pattern, f"{word}-more")
    assert not re.match(pattern, word.replace(".", "x")) or "." not in word


@given(WORDS, st.data())
def test_a_slip_of_the_finger_is_still_found(word: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(word) - 1))
    letter = data.draw(st.sampled_from("abc0-"))
    pattern = containerd.almost([word])
    assert re.match(pattern, word[:place] + word[place + 1 :])
    assert re.match(pattern, word[:place] + letter + word[place + 1 :])
    assert re.match(pattern, word[:place] + letter + word[place:])
    swapped = word[:place] + word[place : place + 2][::-1] + word[place + 2 :]
    assert re.match(pattern, swapped)
