# SPDX-License-Identifier: Apache-2.0
"""Links by which the image's tools find the host's state: journal, systemd, names, time.

Made at every start rather than in the image: runtimes mount over `/run`, `/etc/hosts` and others.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from admin_image.spec import HOST, HOST_ALIASES

# In the container -> on the host.
LINKS = {
    **dict.fromkeys(HOST_ALIASES, ""),
    "/run/systemd": "/run/systemd",  # systemctl, and /dev/log, which leads there
    "/run/dbus": "/run/dbus",
    "/run/log/journal": "/run/log/journal",
    "/var/log/journal": "/var/log/journal",
    "/run/udev": "/run/udev",  # lsblk and others read its database
    "/etc/machine-id": "/etc/machine-id",  # journalctl shows this machine's journal alone
    "/etc/localtime": "/etc/localtime",
    "/lib/modules": "/lib/modules",
}
# Only when the runtime gave none of its own.
NAMES = ("/etc/resolv.conf", "/etc/hosts")


def link_all(*, root: str = "") -> list[str]:
    """Make every link; what stands in the way and is not empty stays, and is named."""
    warnings = []
    for place, target in LINKS.items():
        if os.path.lexists(f"{root}{HOST}{target}") and (
            reason := _link(root + place, HOST + target)
        ):
            warnings.append(f"{place} does not lead to the host's: {reason}")
    for place in NAMES:
        if _empty(root + place) and os.path.lexists(f"{root}{HOST}{place}"):
            # A warning would be noise: an image without DNS is still a door.
            _link(root + place, HOST + place)
    return warnings


def journal_gid(host: str = HOST) -> int | None:
    """The host's group that may read its journal."""
    for place in ("/var/log/journal", "/run/log/journal"):
        with contextlib.suppress(OSError):
            if gid := Path(host + place).stat().st_gid:
                return gid
    return None


def _link(place: str, target: str) -> str:
    """Returns why not, or nothing."""
    path = Path(place)
    try:
        if path.is_symlink() and path.readlink() == Path(target):
            return ""
        if path.is_mount() or _is_the_hosts(path, Path(target)):
            return ""  # the launcher knows better
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            path.rmdir()  # never a tree: it might be somebody's
        path.unlink(missing_ok=True)
        path.symlink_to(target)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _is_the_hosts(path: Path, target: Path) -> bool:
    """Whether a directory above was mounted from the host: a link would replace the host's own."""
    if not path.parent.exists() or not target.parent.exists():
        return False
    return path.parent.samefile(target.parent)


def _empty(place: str) -> bool:
    path = Path(place)
    try:
        return not path.exists() or (not path.is_mount() and not path.stat().st_size)
    except OSError:
        return False
