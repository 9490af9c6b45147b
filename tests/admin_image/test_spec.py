# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_image.spec import DoorSpec, Phase

WORDS = st.lists(st.text(min_size=1), max_size=3).map(tuple)


@given(
    st.builds(
        DoorSpec,
        user=st.text(),
        uid=st.integers(0, 2**32),
        listen=st.text(),
        port=st.integers(1, 65535),
        trusted_cas=st.booleans(),
        principals=st.booleans(),
        ciphers=WORDS,
        key_exchange_algorithms=WORDS,
        macs=WORDS,
    )
)
def test_a_spec_survives_the_way_into_the_container(spec: DoorSpec) -> None:
    assert DoorSpec.from_json(spec.to_json()) == spec


def test_a_phase_survives_the_way_to_the_launcher() -> None:
    phase = Phase("failed", 42, "door.port-busy", "taken", ("one", "two"))
    assert Phase.from_json(phase.to_json()) == phase


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{",
        json.dumps({"contract": 2}),
        json.dumps({"contract": 1, "colour": "red"}),
        "{}",
    ],
    ids=[
        "empty",
        "a list",
        "null",
        "truncated",
        "another contract",
        "unknown field",
        "no contract",
    ],
)
def test_a_damaged_spec_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        DoorSpec.from_json(text)
