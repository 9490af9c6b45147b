# SPDX-License-Identifier: Apache-2.0
"""Types of partitions: as user data writes them, and as sfdisk takes them.

In an MBR a type is a number. People write the same numbers for a GPT, where sgdisk, which other
readers of user data call, takes 82 for its own 8200: Linux swap. sfdisk takes neither there.
"""

from __future__ import annotations

import re
from typing import Final

_NAMES: Final = ("linux", "swap", "lvm", "raid", "uefi")
_GPT: Final = {
    "8300": "linux",
    "8200": "swap",
    "8E00": "lvm",
    "FD00": "raid",
    "EF00": "uefi",
    "EF02": "21686148-6449-6E6F-744E-656564454649",  # BIOS boot
    "0700": "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",  # basic data
}
_GUID: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_NUMBER: Final = re.compile(r"[0-9A-Fa-f]{1,2}")


def known(table: str, kind: str) -> str | None:
    """The word of sfdisk for it; empty for its default; None when the table has no such type."""
    if not kind or kind in _NAMES:
        return kind
    if table == "gpt":
        return kind if _GUID.fullmatch(kind) else _GPT.get(kind.upper().ljust(4, "0"))
    return kind if _NUMBER.fullmatch(kind) else None
