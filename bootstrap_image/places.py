# SPDX-License-Identifier: Apache-2.0
"""Which paths user data may name: the host's writable directories, and nothing around them.

Mounts may be at fewer places, and over whole ones of those: it is the host that must see them.
"""

from __future__ import annotations

import os.path

from bootstrap_image.spec import SHARED, TMP, WRITABLE

# What a mount over one of these would hide.
_NEEDED = {
    "/var": "the host's state",
    "/opt": "Hatchway itself",
    "/opt/hatchway": "Hatchway itself",
}


def problem(path: str) -> str:
    """Why nothing can be written at `path`, or nothing."""
    if why := _malformed(path):
        return why
    if not below(path, WRITABLE):
        return f"only {', '.join(WRITABLE)} of the host can be written; its root and /usr cannot"
    return ""


def mount_problem(path: str) -> str:
    """Why nothing can be mounted at `path`, or nothing."""
    if why := _malformed(path):
        return why
    if path in _NEEDED:
        return f"a mount over {path} would hide {_NEEDED[path]}; name another directory"
    if not top(path):
        return f"only mounts at or below {', '.join(SHARED)} show on the host"
    return ""


def top(path: str) -> str:
    """Which of the host's directories a mount at `path` passes back through; empty for none."""
    return next((place for place in SHARED if f"{path}/".startswith(f"{place}/")), "")


def _malformed(path: str) -> str:
    if not path.startswith("/"):
        return "a path is absolute"
    if "\0" in path or "\n" in path or len(path) > 4096:
        return "this is no path"
    if any(part in (".", "..") for part in path.split("/")):
        return "a path must not hold . or .."
    return ""


def is_private(path: str) -> bool:
    """Whether the path lies in the container's own /tmp, which ends with it."""
    return below(os.path.normpath(path), (TMP,))


def below(path: str, places: tuple[str, ...]) -> bool:
    return any(path.startswith(f"{place}/") for place in places)
