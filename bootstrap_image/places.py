# SPDX-License-Identifier: Apache-2.0
"""Which paths user data may name: the host's writable directories, and nothing around them."""

from __future__ import annotations

import os.path

from bootstrap_image.spec import TMP, WRITABLE


def problem(path: str) -> str:
    """Why nothing can be written at `path`, or nothing."""
    if not path.startswith("/"):
        return "a path is absolute"
    if "\0" in path or "\n" in path or len(path) > 4096:
        return "this is no path"
    if any(part in (".", "..") for part in path.split("/")):
        return "a path must not hold . or .."
    if not below(path, WRITABLE):
        return f"only {', '.join(WRITABLE)} of the host can be written; its root and /usr cannot"
    return ""


def is_private(path: str) -> bool:
    """Whether the path lies in the container's own /tmp, which ends with it."""
    return below(os.path.normpath(path), (TMP,))


def below(path: str, places: tuple[str, ...]) -> bool:
    return any(path.startswith(f"{place}/") for place in places)
