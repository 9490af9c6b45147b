# SPDX-License-Identifier: Apache-2.0
"""The number of the door's account: one that nobody else on this host has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admin_image.spec import UIDS
from hostview import ids
from launcher.errors import DoorError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostview.ids import Span


def choose_uid(wanted: int, taken: Iterable[Span] | None = None) -> int:
    """The wanted number, or for 0 the first free one of ours; `DoorError` says who has it."""
    spans = list(ids.taken() if taken is None else taken)
    owners: dict[int, str] = {}
    for number in (wanted,) if wanted else UIDS:
        owner = next((span.owner for span in spans if span.has(number)), "")
        if not owner:
            return number
        owners[number] = owner
    number, owner = next(iter(owners.items()))
    others = "" if wanted else ", and the next ones are taken as well"
    message = f"the door's account cannot have the number {number}: {owner} has it{others}"
    hint = "Set `uid` in [host-containers.admin] to a number that nobody on this host has."
    raise DoorError("door.uid-taken", message, hint)
