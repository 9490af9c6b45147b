# SPDX-License-Identifier: Apache-2.0
"""What a module of cloud-config is: keys that it reads, a reader that is pure, and an act."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from bootstrap_image.host import Host
    from bootstrap_image.step import Frequency
    from bootstrap_image.table import Table

# What JSON can hold; it is hashed, so that a change of the settings runs the module again.
Params = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Module:
    """One row of the table in `modules`.

    A module whose keys hold an error does nothing, unless its items stand `apart`: then those that
    are right are done.
    """

    name: str
    read: Callable[[Table], Params | None]  # None: there is nothing to do
    act: Callable[[Params, Host], None]
    describe: Callable[[Params], list[str]]  # without anything that may be secret
    frequency: Frequency | None = None  # None: as the job says
    apart: bool = False
    of: str = ""  # the key that it reads, where that is not its name

    @property
    def key(self) -> str:
        return self.of or self.name
