# SPDX-License-Identifier: Apache-2.0
"""[images]: what image archives may take of this host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from launcher.findings import Finding
from launcher.settings.values import parse_size

if TYPE_CHECKING:
    from collections.abc import Iterator


class ImageSettings(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """[images]: how much an archive may unpack to, and how much of a disk stays free."""

    archive_limit: str = "8G"
    disk_reserve: str = "256M"


def findings(settings: ImageSettings) -> Iterator[Finding]:
    """What the types cannot say."""
    sizes = {"archive-limit": settings.archive_limit, "disk-reserve": settings.disk_reserve}
    for key, value in sizes.items():
        try:
            parse_size(value)
        except ValueError as error:
            yield Finding(f"images.{key}", str(error))
