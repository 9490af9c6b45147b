# SPDX-License-Identifier: Apache-2.0
"""What every source of user data gives."""

from __future__ import annotations

import dataclasses
from typing import Final


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """User data as it came, empty where there is none, and which machine it is for.

    `instance_id` tells a new machine from a reboot; empty when the source knows none.
    `scripts` are those that the cloud has beside user data, by its own names, and runs at every
    boot; `undone` says of what else it has why nothing is made of it.
    """

    source: str
    instance_id: str = ""
    data: bytes = dataclasses.field(default=b"", repr=False)
    scripts: dict[str, bytes] = dataclasses.field(default_factory=dict, repr=False)
    undone: dict[str, str] = dataclasses.field(default_factory=dict)


NONE: Final = Found("none")
