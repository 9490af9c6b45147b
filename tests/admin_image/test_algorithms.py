# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from admin_image import algorithms
from admin_image.algorithms import combine, problem

KNOWN, OWN = frozenset({"a1", "a2", "b", "c"}), ("a1", "b")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ((), "a1,a2,b"),
        (("x", "y"), "x,y"),
        (("+x", "a1"), "a1,a2,b,x"),
        (("-a*",), "b"),
        (("-a1", "b"), "a2"),
        (("^b", "x"), "b,x,a1,a2"),
        (("+x,y",), "a1,a2,b,x,y"),
    ],
    ids=[
        "none",
        "replace",
        "append",
        "remove by pattern",
        "remove two",
        "first",
        "joined by commas",
    ],
)
def test_the_marks_of_a_list_work_on_the_images_own(wanted: tuple[str, ...], expected: str) -> None:
    assert expected == ",".join(combine(wanted, ("a1", "a2", "b")))


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ((), ""),
        (("c", "a1"), ""),
        (("+c",), ""),
        (("^c,a2",), ""),
        (("-a*",), ""),
        (("-c",), ""),
        (("d",), "sshd has no algorithm d"),
        (("+d",), "sshd has no algorithm d"),
        (("-d*",), "sshd has no algorithm d*"),
        (("a*",), "sshd has no algorithm a*"),
        (("+a2", "+c"), "only the first name of a list may have a mark, not +c"),
        (("a1", "-b"), "only the first name of a list may have a mark, not -b"),
        (("+a2,-c",), "only the first name of a list may have a mark, not -c"),
        (("-a1", "b"), "takes away every algorithm that the image has"),
    ],
    ids=str,
)
def test_what_sshd_would_refuse_is_known_before(wanted: tuple[str, ...], reason: str) -> None:
    assert problem(wanted, KNOWN, OWN) == reason


def test_what_is_offered_is_known() -> None:
    for offer in algorithms.OFFERS.values():
        assert algorithms.KNOWN_KEX.issuperset(offer.kex)
        assert algorithms.KNOWN_CIPHERS.issuperset(offer.ciphers)
        assert algorithms.KNOWN_MACS.issuperset(offer.macs)
