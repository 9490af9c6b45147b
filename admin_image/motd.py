# SPDX-License-Identifier: Apache-2.0
"""What those who log in read first: the image's own words, and what is to be known just now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admin_image.files import read_text, write_atomically
from admin_image.spec import NOTICE_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = "/etc/motd"
OWN = "/usr/lib/hatchway/motd"
_MARK = "  ! "


def write(notes: Sequence[str]) -> None:
    """Write it anew: the image's text, the launcher's notices, and these notes."""
    write_atomically(FILE, text(read_text(OWN), read_text(NOTICE_FILE), notes))


def text(own: str, notice: str, notes: Sequence[str]) -> str:
    lines = [f"{_MARK}{line}\n" for line in (*notice.splitlines(), *notes) if line]
    return "".join((own, *lines, "\n" if lines else ""))
