# SPDX-License-Identifier: Apache-2.0
"""What every source of user data gives."""

from __future__ import annotations

import dataclasses
from typing import Final


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """User data as it came, empty where there is none, and which machine it is for.

    `instance_id` tells a new machine from a reboot; empty when the source knows none.
    """

    source: str
    instance_id: str = ""
    data: bytes = dataclasses.field(default=b"", repr=False)


NONE: Final = Found("none")
