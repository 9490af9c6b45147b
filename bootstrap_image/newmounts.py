# SPDX-License-Identifier: Apache-2.0
"""The mounts that a step leaves: each is asked once whether it answers.

A script that mounts a disk and ends with 0 although the mount is dead would let kubelet start on
it, and hang there. What was mounted before the first step is not our matter.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bootstrap_image.spec import HOST
from hostview import mountinfo, seal

if TYPE_CHECKING:
    from hostview.mountinfo import Mount

# Whoever has not answered by then would keep others waiting as well.
PATIENCE: Final = 5.0
# Of a mount that is dead; that we may not look into one, or that it is a file, is none.
_DEAD: Final = (
    *(errno.ENOTCONN, errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ETIMEDOUT),
    *(errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ESHUTDOWN, errno.EREMOTEIO, errno.EUCLEAN),
)


class NewMounts:
    """Those that appear from now on."""

    def __init__(self) -> None:
        self._table = Path(mountinfo.FILE).open("rb")  # noqa: SIM115 - open as long as we are
        self._changes = select.poll()
        self._changes.register(self._table, select.POLLPRI)
        self._known = {mount.id for mount in self._read()}

    def broken(self) -> list[str]:
        """`PLACE (why)` of each that appeared since the last call and does not answer."""
        if not self._changes.poll(0):
            return []
        mounts = self._read()
        new = [mount for mount in mounts if mount.id not in self._known]
        self._known = {mount.id for mount in mounts}
        dead = [(mount.point, why) for mount in new if (why := _why_dead(mount.point))]
        return [f"{mountinfo.shown(point)} ({why})" for point, why in dead]

    def _read(self) -> list[Mount]:
        return [
            mount
            for mount in mountinfo.reachable(mountinfo.read())
            # Below /host the same ones show again; a trigger would be set off by a look.
            if not mountinfo.inside(mount.point, HOST) and mount.fstype != "autofs"
        ]


def _why_dead(point: str) -> str:
    """In a child: a dead file server can keep whoever asks for ever."""
    pid = os.fork()
    if pid == 0:
        os._exit(_look(point))
    number = seal.within(PATIENCE, pid)
    if number is None:
        return f"no answer within {PATIENCE:g} s"
    return os.strerror(number) if number in _DEAD else ""


def _look(point: str) -> int:
    try:
        os.statvfs(point)
        with contextlib.suppress(NotADirectoryError), os.scandir(point) as names:
            next(names, None)
    except OSError as error:
        return (error.errno or 0) & 0xFF
    return 0
