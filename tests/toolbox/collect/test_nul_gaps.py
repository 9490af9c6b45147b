# SPDX-License-Identifier: Apache-2.0
"""Lost blocks in a log: the text around them is kept, and they are named."""

from __future__ import annotations

import pytest

from toolbox.collect.nul_gaps import NulGaps, binary_from, is_binary


@pytest.mark.parametrize("size", [1, 7, 100, 5000, 1 << 16])
def test_a_gap_is_named_wherever_the_stream_is_cut(size: int) -> None:
    log = b"one\n" + bytes(4096) + b"two\nthr\0ee\n" + bytes(64)
    gaps = NulGaps()
    pieces = [gaps.feed(log[start : start + size]) for start in range(0, len(log), size)]
    assert b"".join([*pieces, gaps.finish()]) == (
        b"one\n\n[4096 NUL bytes]\ntwo\nthr[1 NUL byte]ee\n\n[64 NUL bytes]\n"
    )


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
