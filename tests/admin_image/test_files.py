# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from admin_image.files import read_text, write_atomically

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_replaced_with_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    write_atomically(str(path), "after", mode=0o600)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("after", 0o600)


def test_nothing_is_left_beside_a_file_that_cannot_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "place" / "full").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_atomically(str(tmp_path / "place"), "text")
    assert [tmp_path / "place"] == list(tmp_path.iterdir())


def test_a_missing_file_reads_as_what_was_agreed(tmp_path: Path) -> None:
    assert read_text(str(tmp_path / "none"), otherwise="-") == "-"
