# SPDX-License-Identifier: Apache-2.0
"""Whether an image is one of ours, and speaks what this launcher speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from launcher.errors import ImageError

if TYPE_CHECKING:
    from launcher.runtimes.base import Image


def require(image: Image, *, label: str, contract: int, asked: str) -> None:
    """Refuse an image without `label`, or with another contract; `asked` is what the user named."""
    said = image.labels.get(label)
    if said == str(contract):
        return
    what = f"one for contract {said}" if said else "no image of Hatchway for this"
    message = f"{asked} is {what}; this launcher speaks contract {contract}"
    raise ImageError("image.contract", message, "Take the image of the launcher's own release.")
