# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher import escape

FORBIDDEN_KINDS = ("Cc", "Cf", "Cs", "Zl", "Zp")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain, ünïcode, 日本語, 👩\u200d💻", "plain, ünïcode, 日本語, 👩\u200d💻"),
        ("a\tb", "a\tb"),
        ("\x1b]52;c;ZXZpbA==\x07", r"\x1b]52;c;ZXZpbA==\x07"),
        ("\x1b[2J\x7f\x00", r"\x1b[2J\x7f\x00"),
        ("one\nline\r\n", r"one\x0aline\x0d\x0a"),
        ("\x9b31m", r"\x9b31m"),
        (b"\x9b31m\xff".decode("utf-8", "surrogateescape"), r"\x9b31m\xff"),
        ("user\u202e\u2066txt.exe\u2028\u2029", r"user\u202e\u2066txt.exe\u2028\u2029"),
        ("\u200e\u200f\u061c\ufeff\u00ad\u200b", r"\u200e\u200f\u061c\ufeff\xad\u200b"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_would_command_a_terminal_is_shown(written: str, shown: str) -> None:
    assert escape.line(written) == shown


def test_lines_of_a_block_stay_lines() -> None:
    assert escape.block("one\r\ntwo\x1b\nthree\rfour") == "one\ntwo\\x1b\nthree\\x0dfour"


@given(st.text())
def test_no_character_without_a_form_is_left(text: str) -> None:
    left = {
        unicodedata.category(each) for each in escape.line(text) if each not in "\t\u200c\u200d"
    }
    assert left.isdisjoint(FORBIDDEN_KINDS)


@given(st.binary(), st.lists(st.integers(min_value=0, max_value=64)))
def test_a_flow_is_the_same_however_it_was_cut(data: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    flow = escape.Flow()
    pieces = [flow.feed(data[a:b]) for a, b in itertools.pairwise(places)]
    assert b"".join([*pieces, flow.feed(b"", final=True)]) == escape.Flow().feed(data, final=True)


@pytest.mark.parametrize(
    "data", [b"\xc2\x9b31m", b"\x1b]0;title\x07", b"\x9b", b"a\rb\r\nc\xe2\x80\xae"]
)
def test_no_command_gets_through_a_flow_byte_by_byte(data: bytes) -> None:
    flow = escape.Flow()
    shown = b"".join(flow.feed(bytes([each])) for each in data) + flow.feed(b"", final=True)
    assert escape.line(shown.decode().replace("\n", "")) == shown.decode().replace("\n", "")
    assert b"\\x" in shown
