# SPDX-License-Identifier: Apache-2.0
"""One thing to collect, as a recipe asks for it, and what became of it."""

from __future__ import annotations

import dataclasses
from typing import Final, Literal

TIME_LIMIT: Final = 30.0  # seconds
SIZE_LIMIT: Final = 8 * 2**20  # bytes

Kind = Literal["exec", "file", "glob", "http", "settings", "look"]
Status = Literal[
    "ok",
    "failed",  # it ran, and said that it failed
    "timeout",
    "endless",  # it printed many times what is kept, and was ended
    "absent",  # the host has no such program, file or service
    "refused",  # it would hold secrets, leave the host, or is no text
    "interrupted",
    "skipped",  # collection ended before
]


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """What a line of a recipe asks for.

    `name` is its path in the bundle; `argument` is the argv, path, pattern, URL or native name;
    `place` is `file:line`. `timeout` in seconds, `limit` in bytes. A program that the host lacks is
    taken from the admin image where `borrow` says so and the image is here. Without the file
    `needs` it is absent.
    """

    kind: Kind
    name: str
    argument: tuple[str, ...] = ()
    place: str = ""
    timeout: float = TIME_LIMIT
    limit: int = SIZE_LIMIT
    binary: bool = False
    borrow: bool = False
    needs: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an item gave: `content` is free of secrets, `size` is what there was before a cut.

    A pattern gives no content: `matches` are the items that it stands for.
    """

    item: Item
    status: Status
    content: bytes = b""
    note: str = ""
    size: int = 0
    seconds: float = 0.0
    truncated: bool = False
    redactions: int = 0
    exit_status: int | None = None
    matches: tuple[Item, ...] = ()
