# SPDX-License-Identifier: Apache-2.0
"""Names that user data gives to its parts: they become file names, so they are made safe."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bootstrap_image.findings import printable

if TYPE_CHECKING:
    from bootstrap_image.findings import Report

_LIMIT: Final = 100


def safe(name: str, path: str, report: Report) -> str:
    """The last component of `name`, of harmless signs only; empty when nothing is left."""
    last = re.split(r"[/\\]", name)[-1]
    cleaned = re.sub(r"[^A-Za-z0-9._-]", "_", last)[:_LIMIT].lstrip(".-")
    if cleaned != name:
        report.warning(path, f"the file name {printable(name)!r} became {cleaned!r}")
    return cleaned


def unique(name: str, taken: set[str]) -> str:
    """`name`, or the first of `name-2`, `name-3`, ... that is free."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    taken.add(found)
    return found
