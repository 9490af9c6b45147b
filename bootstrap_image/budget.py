# SPDX-License-Identifier: Apache-2.0
"""How much one piece of user data may become: a few bytes can unpack to all memory there is."""

from __future__ import annotations

from typing import Final

UNPACKED_LIMIT: Final = 64 << 20  # bytes, over all parts
DEPTH_LIMIT: Final = 8  # a message in a gzip in an include in a message ...
PART_LIMIT: Final = 1000
INCLUDE_LIMIT: Final = 64


class BudgetError(Exception):
    """User data is more than we take; a sentence says of what."""


class Budget:
    """What is left for one piece of user data."""

    def __init__(self) -> None:
        self.bytes = UNPACKED_LIMIT
        self._parts = PART_LIMIT
        self._includes = INCLUDE_LIMIT

    def spend(self, size: int) -> None:
        self.bytes -= size
        if self.bytes < 0:
            raise BudgetError(f"it unpacks to more than {UNPACKED_LIMIT >> 20} MiB")

    def part(self) -> None:
        self._parts -= 1
        if self._parts < 0:
            raise BudgetError(f"it has more than {PART_LIMIT} parts")

    def include(self) -> None:
        self._includes -= 1
        if self._includes < 0:
            raise BudgetError(f"it includes more than {INCLUDE_LIMIT} addresses")
