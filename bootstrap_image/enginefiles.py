# SPDX-License-Identifier: Apache-2.0
"""Files that engines put over the host's own, in the container: they are taken away.

docker and podman cover these three with copies of theirs, whatever is mounted at /etc. What is
written to a copy seems to be done, and is gone with the container.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hostview import kernel, mountinfo

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES: Final = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")


def take_away(host: str) -> Iterator[str]:
    """Uncover what `host` has there, in our mount namespace alone; a sentence for each that stays.

    A mount that the host itself has at such a place is the host's file, and stays.
    """
    for place in PLACES:
        real = os.path.realpath(place)  # engines follow links as well: /run/systemd/resolve/...
        try:
            while _mounted(real) and not _same(real, f"{host}{real}"):
                kernel.umount2(real, kernel.MNT_DETACH | kernel.UMOUNT_NOFOLLOW)
        except OSError as error:
            yield f"{place} is the engine's, and what is written to it is lost: {error.strerror}"


def _mounted(place: str) -> bool:
    return any(mount.point == place for mount in mountinfo.reachable(mountinfo.read()))


def _same(place: str, other: str) -> bool:
    with contextlib.suppress(OSError):
        return Path(place).samefile(other)
    return False
