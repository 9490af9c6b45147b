# SPDX-License-Identifier: Apache-2.0
"""What a step wrote reaches the disks before its result does.

Scripts write and end, and the kernel brings it to the disk up to half a minute later. A record is
on the disk at once: after a power cut it would tell of files that are empty, and never come back.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import TYPE_CHECKING, Final

from bootstrap_image.spec import HOST
from hostview import kernel, mountinfo

if TYPE_CHECKING:
    from collections.abc import Iterator

# What lies on a disk of this machine. Others have their own rules of when something is safe, and
# a server that is gone would keep us waiting.
_ON_DISK: Final = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "vfat", "bcachefs"})


def settle(limit: float) -> str:
    """Write out all disks; why that did not succeed within `limit` seconds, or nothing."""
    # In a child: a disk that is gone can keep whoever waits for it for ever.
    pid = os.fork()
    if pid == 0:
        os._exit(_write_out())
    keeper = os.pidfd_open(pid)
    try:
        ended, _, _ = select.select([keeper], [], [], limit)
    finally:
        os.close(keeper)
    if not ended:
        os.kill(pid, signal.SIGKILL)
        return f"what it wrote did not reach the disk within {limit:g} s"
    number = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return f"what it wrote did not reach the disk: {os.strerror(number)}" if number > 0 else ""


def _write_out() -> int:
    """The number of the last error."""
    problem = 0
    for descriptor in _disks():
        try:
            kernel.syncfs(descriptor)
        except OSError as error:
            problem = error.errno or problem
    return problem


def _disks() -> Iterator[int]:
    """Each disk once, opened for as long as this process lives."""
    seen = set[int]()
    for mount in mountinfo.read():
        # What shows below /host shows at its own place as well, or cannot be written to.
        if mount.fstype not in _ON_DISK or mountinfo.inside(mount.point, HOST):
            continue
        # Of one that another mount hides, or that is a file, some other place is there to open.
        with contextlib.suppress(OSError):
            descriptor = os.open(mount.point, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            device = os.fstat(descriptor).st_dev
            if device not in seen:
                seen.add(device)
                yield descriptor
