# SPDX-License-Identifier: Apache-2.0
"""Permissions of a file: octal digits as they are written, in quotes or not.

What YAML makes of the digits does not count: 644 is the number 644, and 0644 is 420.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bootstrap_image.table import as_text

if TYPE_CHECKING:
    from bootstrap_image.table import Table

_DEFAULT: Final = 0o644
_OCTAL: Final = re.compile(r"(0o)?([0-7]{1,5})")
_LIMIT: Final = 0o7777
# What programs write that have made a number of 0644 before.
_USUAL: Final = {f"{mode:d}": f"{mode:04o}" for mode in (
    0o400, 0o440, 0o444, 0o550, 0o555, 0o600, 0o640, 0o644, 0o660, 0o664, 0o666,
    0o700, 0o740, 0o744, 0o750, 0o755, 0o770, 0o775, 0o777,
)}  # fmt: skip


def read(entry: Table) -> int | None:
    """The mode, or the default; None when it is none, which is reported."""
    value = entry.written("permissions")
    if value is None:
        return _DEFAULT
    text = as_text(value) or ""
    found = _OCTAL.fullmatch(text)
    mode = int(found[2], 8) if found else _LIMIT + 1
    meant = "" if isinstance(value, str) else _USUAL.get(text, "")
    if mode > _LIMIT:
        example = meant or "0644"
        entry.error("permissions", f"expected an octal number in quotes, such as '{example}'")
        return None
    if meant:
        entry.report.warning(
            entry.at("permissions"),
            f"{text} is taken as the octal number it looks like; the decimal {text} is '{meant}'",
        )
    return mode
