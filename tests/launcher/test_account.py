# SPDX-License-Identifier: Apache-2.0
"""Which number the door's account gets."""

from __future__ import annotations

import pytest

from admin_image.spec import UIDS
from hostview.ids import Span
from launcher.admin import account
from launcher.errors import DoorError


def test_the_first_free_number_is_taken_and_a_free_one_that_is_set() -> None:
    spans = [Span(UIDS[0], 3, "a range"), Span(70_000, 1, "somebody")]
    assert account.choose_uid(0, spans) == UIDS[3]
    assert account.choose_uid(70_001, spans) == 70_001


@pytest.mark.parametrize("wanted", [0, 70_000])
def test_a_number_that_somebody_has_is_refused_by_his_name(wanted: int) -> None:
    everybody = [Span(0, 2**32 - 2, "the range of pods in /etc/subuid")]
    with pytest.raises(DoorError, match="the range of pods in /etc/subuid has it") as caught:
        account.choose_uid(wanted, everybody)
    assert caught.value.code == "door.uid-taken"
