# SPDX-License-Identifier: Apache-2.0
"""All of a key or nothing of it: what is left of a list without an entry was never asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from bootstrap_image.table import Table

T = TypeVar("T")

# Each builds on the one before: a file system may only go where the partition was to be made.
_DISKS: Final = ("disk_setup", "fs_setup", "mounts")


def read(table: Table, key: str, reader: Callable[[Table], T | None]) -> T | None:
    """What `reader` makes of the table; None, and a word about it, once it reported an error."""
    before = table.report.errors
    found = reader(table)
    if table.report.errors == before:
        return found
    value = table.value(key)
    if isinstance(value, list | dict) and len(value) > 1:
        table.report.warning(
            table.at(key), "none of this is done, because part of it is not understood"
        )
    return None


def disks(refused: set[str], wanted: set[str], table: Table) -> set[str]:
    """Which of the wanted keys for disks must not be done, as another one of them is not."""
    bad = [key for key in _DISKS if key in refused]
    held = wanted.intersection(_DISKS) if bad else set[str]()
    for key in sorted(held):
        table.report.warning(table.at(key), f"this is not done, because {bad[0]} is not understood")
    return held
