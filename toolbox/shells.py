# SPDX-License-Identifier: Apache-2.0
"""The shells that an image may have, in the order in which they are tried."""

from __future__ import annotations

from typing import Final

# One start finds bash wherever there is a sh; the others are for images that have nothing else.
SHELLS: Final[tuple[tuple[str, ...], ...]] = (
    ("/bin/sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash -l; exec sh -l"),
    ("/busybox/sh", "-l"),  # distroless:debug
    ("/bin/busybox", "sh", "-l"),
    ("bash", "-l"),
)
