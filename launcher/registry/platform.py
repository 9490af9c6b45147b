# SPDX-License-Identifier: Apache-2.0
"""Which image of an index is for this machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import msgspec

from launcher.errors import ImageError
from launcher.registry import manifests

if TYPE_CHECKING:
    from collections.abc import Sequence

MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


def this() -> str:
    """Give what images call this machine; `ImageError` when we have no name for it."""
    machine = os.uname().machine
    if machine not in MACHINES:
        message = f"there are no images for {machine} machines"
        raise ImageError("image.platform", message, "Hatchway runs on x86_64 and aarch64.")
    return MACHINES[machine]


def choose(entries: Sequence[dict[str, Any]], place: str = "the image") -> str:
    """Give the digest of this machine's image among the `manifests` of an index."""
    index = msgspec.convert(entries, tuple[manifests.Descriptor, ...])
    return manifests.choose(index, this(), place).digest
