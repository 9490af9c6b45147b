# SPDX-License-Identifier: Apache-2.0
"""From when on: as people say it."""

from __future__ import annotations

import pytest

from toolbox.collect import since


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("24h", "-24h"),
        ("90m", "-90min"),
        ("-7d", "-7d"),
        ("2026-11-21", "2026-11-21 00:00:00 UTC"),
        ("2026-11-21T13:00:00+08:00", "2026-11-21 05:00:00 UTC"),
    ],
)
def test_what_people_say_is_what_journalctl_takes(said: str, meant: str) -> None:
    assert since.parse(said) == meant


@pytest.mark.parametrize("said", ["", "yesterday", "24", "--boot", "1y", "h"])
def test_what_is_neither_a_span_nor_a_time_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        since.parse(said)
