# SPDX-License-Identifier: Apache-2.0
"""Lost blocks in a log: the text around them is kept, and they are named."""

from __future__ import annotations

import pytest

from toolbox.collect.item import Item
from toolbox.collect.nul_gaps import NulGaps, binary_from, is_binary
from toolbox.collect.sieve import Sieve


@pytest.mark.parametrize("size", [1, 7, 100, 5000, 1 << 16])
def test_a_gap_is_named_wherever_the_stream_is_cut(size: int) -> None:
    log = b"one\n" + bytes(4096) + b"two\nthr\0ee\n" + bytes(64)
    gaps = NulGaps()
    pieces = [gaps.feed(log[start : start + size]) for start in range(0, len(log), size)]
    assert b"".join([*pieces, gaps.finish()]) == (
        b"one\n\n[4096 NUL bytes]\ntwo\nthree\n\n[64 NUL bytes]\n"
    )


@pytest.mark.parametrize("size", [1, 5, 4096, 1 << 20])
@pytest.mark.parametrize(
    "secret",
    [
        b"pass\0word=hunter2secret\n",
        b"password=\0hunter2secret\n",
        b"ghp_0123456789\0abcdefgh2secret0123456789\n",
        b"password=hunter" + bytes(4096) + b"2secret\nnext\n",
        "password=hunter2secret\n".encode("utf-16-le"),
    ],
)
def test_a_nul_hides_no_secret(secret: bytes, size: int) -> None:
    content = b"an ordinary line\n" * 600 + secret + b"an ordinary line\n" * 3
    sieve = Sieve(Item(kind="file", name="log", argument=("/log",)))
    for start in range(0, len(content), size):
        sieve.add(content[start : start + size])
    assert b"2secret" not in sieve.outcome("ok").content


def test_what_turns_binary_is_text_until_there_and_a_stray_nul_is_none() -> None:
    text = b"a line\n" * 100 + b"with\0a NUL\n" + bytes(4096) + b"\x1b[31mred\x1b[0m\n"
    assert binary_from(text) == len(text)
    assert binary_from(text + b"\x1f\x8b\x08\0\2\3") == len(text) + 3


@pytest.mark.parametrize(
    ("piece", "binary"),
    [
        (b"a line\n" * 100 + bytes(4096), False),
        (bytes(8192), False),
        (b"a line\n" * 100 + b"\0", False),
        ("a line\n".encode("utf-16-le") * 100, True),
        (b"\x7fELF\2\1\1" + bytes(9) + b"\3\0>\0\1\0\0\0", True),
        (b"PATH=/bin\0HOME=/\0", True),
    ],
)
def test_text_with_gaps_is_told_from_what_is_binary(piece: bytes, binary: bool) -> None:
    assert is_binary(piece) == binary
