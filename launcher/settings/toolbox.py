# SPDX-License-Identifier: Apache-2.0
"""[toolbox]: what a toolbox is made of unless a flag says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from launcher.findings import Finding
from launcher.settings.values import parse_size

if TYPE_CHECKING:
    from collections.abc import Iterator


class ToolboxSettings(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """[toolbox]. An empty `source` leaves it to the files of other toolboxes, then the admin image.

    `pull_timeout` is in seconds.
    """

    source: str = ""
    profile: str = "general"
    memory: str = "1G"
    cpus: float = 2.0
    pids: int = 2048
    pull_timeout: float = 300.0


def findings(settings: ToolboxSettings) -> Iterator[Finding]:
    """What the types cannot say."""
    try:
        parse_size(settings.memory)
    except ValueError as error:
        yield Finding("toolbox.memory", str(error))
    numbers = {
        "cpus": settings.cpus, "pids": settings.pids, "pull-timeout": settings.pull_timeout,
    }  # fmt: skip
    yield from (
        Finding(f"toolbox.{key}", "must be more than 0")
        for key, value in numbers.items()
        if value <= 0
    )
