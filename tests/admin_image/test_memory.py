# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_image import cgroups, motd
from admin_image.memory import LEAST_ROOM, MIB, Budget

GIB = 1024 * MIB
SIZES = st.integers(64 * MIB, 64 * GIB)


@given(limit=SIZES, host=SIZES, left=SIZES | st.just(0))
def test_a_session_has_room_and_leaves_some_to_others_whatever_was_left_behind(
    limit: int, host: int, left: int
) -> None:
    budget = Budget.of(limit, host)
    room = budget.sessions(left) - left
    assert room >= min(LEAST_ROOM, budget.container - budget.reserve)
    assert 0 < budget.session(left) < room


@given(limit=SIZES, left=st.integers(0, 64 * GIB))
def test_what_is_left_behind_raises_the_limit_to_half_of_the_host_and_then_by_a_little(
    limit: int, left: int
) -> None:
    host = 4 * limit
    budget = Budget.of(limit, host)
    whole = budget.sessions(left) + budget.reserve
    assert whole <= max(host // 2, left + LEAST_ROOM + budget.reserve)


def test_with_nothing_left_behind_the_sum_is_what_was_asked_for() -> None:
    budget = Budget.of(GIB, 16 * GIB)
    assert budget.sessions(0) + budget.reserve == GIB


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("0::/system.slice/docker-1.scope\n", (cgroups.V2, "", "/system.slice/docker-1.scope")),
        ("4:memory:/docker/1\n0::/\n", (cgroups.V1, "memory", "/docker/1")),
        ("7:cpu,memory:/a:b\n1:name=systemd:/x\n", (cgroups.V1, "cpu,memory", "/a:b")),
    ],
    ids=["v2", "hybrid", "v1 with another controller, and a colon in a name"],
)
def test_the_group_is_found_in_each_version(
    table: str, expected: tuple[cgroups.Kind, str, str]
) -> None:
    assert cgroups.own(table) == expected


def test_without_a_group_the_reason_is_given() -> None:
    with pytest.raises(ValueError, match="no memory group"):
        cgroups.own("1:name=systemd:/x\n")


def test_notes_stand_below_the_images_own_words() -> None:
    assert motd.text("hello\n", "", []) == "hello\n"
    assert motd.text("hello\n", "a\n", ["b"]) == "hello\n  ! a\n  ! b\n\n"
