# SPDX-License-Identifier: Apache-2.0
"""Make everything mounted below a place read-only, now and when more is mounted there.

A runtime's `rbind,ro` seals the top alone: `/host/var`, a mount of its own, stays writable.
Kernel 5.12 does the whole tree by one call. 5.10 needs a walk, in which a dead file server can
hang the call that touches its mount: such a call runs in a child that is given up after a while,
and what cannot be sealed is taken out of the view.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import time

from hostview import kernel, mountinfo

# One remount takes microseconds; a file server that has not answered by then is as good as dead.
PATIENCE = 2.0
POLL_INTERVAL = 0.01
# The host mounts and unmounts meanwhile, and what it does below a shared mount shows here at once.
_WALKS = 5
# A file server elsewhere answers for these; asking it may take for ever.
NETWORK_TYPES = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "9p", "afs", "lustre", "glusterfs", "gfs2"}
    | {"ocfs2", "gpfs", "beegfs", "alifuse", "fuse", "virtiofs"}
)
_FLAGS = {
    "nosuid": kernel.MS_NOSUID,
    "nodev": kernel.MS_NODEV,
    "noexec": kernel.MS_NOEXEC,
    "noatime": kernel.MS_NOATIME,
    "nodiratime": kernel.MS_NODIRATIME,
    "relatime": kernel.MS_RELATIME,
    "nosymfollow": kernel.MS_NOSYMFOLLOW,
}
_ATIME = frozenset({"noatime", "relatime"})


class SealError(OSError):
    """Something stays writable; a sentence says what."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sealed:
    """How the tree was sealed, and what had to leave the view, as names to tell."""

    by: str
    detached: tuple[str, ...] = ()


def seal(root: str, *, walk: bool = False) -> Sealed:
    """Make all below `root` read-only; `SealError` when something stays writable.

    Args:
        root: a mount point.
        walk: as if the kernel had no `mount_setattr`.

    """
    if not any(mount.point == root for mount in _reachable(root)):
        raise SealError(f"nothing is mounted at {root}")
    if not walk and _seal_by_one_call(root):
        return Sealed("mount_setattr")
    detached: list[str] = []
    for _ in range(_WALKS):
        detached += _seal_one_by_one(root)
        if not (left := writable(root)):
            return Sealed("remount", tuple(detached))
    raise SealError(f"still writable below {root}: {', '.join(left[:5])}")


def writable(root: str) -> list[str]:
    """What below `root` a path leads to and can be written, as names to tell."""
    return [mountinfo.shown(mount.point) for mount in _reachable(root) if _needs_seal(mount)]


def flags_of(mount: mountinfo.Mount) -> int:
    """Flags for a read-only remount: those left out would be taken away from the mount."""
    flags = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY
    for name, flag in _FLAGS.items():
        if name in mount.options:
            flags |= flag
    # Neither word in mountinfo means strictatime, while no flag at all would mean relatime.
    return flags if mount.options & _ATIME else flags | kernel.MS_STRICTATIME


def within(seconds: float, pid: int) -> int | None:
    """Wait for a child; its exit status, or None when it is stuck and was given up."""
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            # It may lie in uninterruptible sleep: whoever reaps orphans gets it one day.
            os.kill(pid, signal.SIGKILL)
            return None
        time.sleep(POLL_INTERVAL)


def _seal_by_one_call(root: str) -> bool:
    try:
        kernel.mount_setattr(root, kernel.AT_RECURSIVE, kernel.MOUNT_ATTR_RDONLY)
    except OSError:
        # ENOSYS before 5.12, EPERM by an old seccomp profile: the walk knows another way.
        return False
    return not writable(root)


def _seal_one_by_one(root: str) -> list[str]:
    detached = []
    for mount in _reachable(root):
        if _needs_seal(mount) and not _remount(mount) and mount.point != root:
            if _is_gone(mount):
                continue
            _detach(mount.point)
            detached.append(mountinfo.shown(mount.point))
    return detached


def _is_gone(mount: mountinfo.Mount) -> bool:
    # The kernel gives a free number to the next one.
    return all((each.id, each.point) != (mount.id, mount.point) for each in mountinfo.read())


def _reachable(root: str) -> list[mountinfo.Mount]:
    return mountinfo.below(mountinfo.reachable(mountinfo.read()), root)


def _needs_seal(mount: mountinfo.Mount) -> bool:
    # A trigger holds no files; touching one would mount what it stands for.
    return not mount.read_only and mount.fstype != "autofs"


def _remount(mount: mountinfo.Mount) -> bool:
    if mount.fstype.partition(".")[0] in NETWORK_TYPES:
        return _remount_in_child(mount)
    return _remounted(mount)


def _remounted(mount: mountinfo.Mount) -> bool:
    try:
        kernel.mount("none", mount.point, flags=flags_of(mount))
    except OSError:
        return False
    return True


def _remount_in_child(mount: mountinfo.Mount) -> bool:
    # Not a thread: one that hangs in the kernel would keep the whole process from ending.
    pid = os.fork()
    if pid == 0:
        os._exit(0 if _remounted(mount) else 1)
    return within(PATIENCE, pid) == 0


def _detach(point: str) -> None:
    try:
        kernel.umount2(point, kernel.MNT_DETACH | kernel.UMOUNT_NOFOLLOW)
    except OSError as error:
        name, why = mountinfo.shown(point), error.strerror
        message = f"{name} can be neither made read-only nor taken out of the view: {why}"
        raise SealError(message) from error
