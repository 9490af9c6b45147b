# SPDX-License-Identifier: Apache-2.0
"""What the images of this very program are: their digests, as its build wrote them down.

`tools/build_image.py` writes the file beside this one, `tools/build_bundle.py` takes it along. A
program that was built without any images knows none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

FILE: Final = Path(__file__).with_name("own_images.json")


def digests(path: Path = FILE) -> dict[str, str]:
    """The digest of the configuration of each, by its name without a tag."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (OSError, ValueError):
        return {}
