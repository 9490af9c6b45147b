# SPDX-License-Identifier: Apache-2.0
"""What a start is asked for, and what it gives back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from launcher.door import Door
    from launcher.keys.access import Access
    from launcher.runtimes import Wish
    from launcher.settings import Listen


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that a start depends on.

    `image` is a canonical reference, `memory` in bytes; `timeout` in seconds bounds all of it,
    the pull too. `uid` is the number of the door's account, or 0 for a free one.
    """

    image: str
    listen: Listen
    access: Access
    wish: Wish
    memory: int
    cpus: float
    pids: int
    timeout: float
    uid: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Opened:
    """A proven door; `adopted` when it was open before, `differences` where it is not as asked."""

    door: Door
    adopted: bool = False
    differences: tuple[str, ...] = ()
