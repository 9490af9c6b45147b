# SPDX-License-Identifier: Apache-2.0
"""A directory of the host with all that is mounted below it, read-only, in any image and engine.

Engines make the top alone read-only, the kernel can do a whole tree only since 5.12, and an image
that is not ours cannot seal it. So each mount becomes a read-only bind of its own, and what is
mounted later stays outside. Other containers' roots, and file systems that somebody elsewhere
answers for, are left out: the first are many, and a dead file server would hang the start.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hostview import mountinfo, seal
from launcher.plan import Mount

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST: Final = 200  # binds; more would make the client's command line and the start too long

# Below these lie mounts of single containers, or of our own.
_ENGINES: Final = (
    "/var/lib/docker", "/var/lib/containers", "/var/lib/containerd", "/var/lib/kubelet",
    "/var/lib/rancher", "/var/lib/hatchway", "/run/containerd", "/run/host-containerd",
    "/run/docker", "/run/containers", "/run/netns", "/run/hatchway", "/run/k3s", "/run/user",
    "/run/credentials", "/dev", "/sys", "/proc",
)  # fmt: skip
# The same where engines and kubelet keep their files elsewhere: such a place may be gone a moment
# later, and the start with it.
_PASSING: Final = re.compile(r"/(merged|rootfs)$|.+(?<!^/dev)/shm$|/pods/[0-9a-f-]{36}/")
_NOTHING_TO_SEE: Final = frozenset({"autofs", "nsfs", "rpc_pipefs"})


def sealed(
    source: str, target: str, reason: str, notes: list[str], *,
    lasting: bool = False, table: str | None = None,
) -> list[Mount]:  # fmt: skip
    """Binds that show `source` at `target`; `table` stands in for that of this namespace.

    `lasting` leaves out what is mounted deeper in /run and /tmp, which comes and goes. What is
    left out because it is too much becomes a note.
    """
    found = sorted(set(_points(mountinfo.text() if table is None else table, source)))
    points = [p for p in found if not (lasting and _passing(p))]
    if beyond := points[MOST - 1 :]:
        notes.append(
            f"{target} shows {MOST} mounts; {len(beyond)} from {beyond[0]} on are left out"
        )
        points = points[: MOST - 1]
    below = (_bind(point, f"{target}/{_relative(point, source)}", reason) for point in points)
    return [_bind(source, target, reason), *below]


def _points(table: str, source: str) -> Iterator[str]:
    """The mount points below `source` that are shown, without `source` itself."""
    for mount in mountinfo.reachable(mountinfo.parse(table)):
        if mount.point == source or not mountinfo.inside(mount.point, source):
            continue
        if mount.fstype in _NOTHING_TO_SEE or _is_remote(mount.fstype):
            continue
        if _PASSING.search(mount.point):
            continue
        if not any(_deeper(mount.point, place) for place in _ENGINES) and _sayable(mount.point):
            yield mount.point


def _passing(point: str) -> bool:
    return any(_deeper(point, place) for place in ("/run", "/tmp"))  # noqa: S108 - the host's


def _is_remote(fstype: str) -> bool:
    return fstype.partition(".")[0] in seal.NETWORK_TYPES


def _deeper(point: str, place: str) -> bool:
    return point != place and mountinfo.inside(point, place)


def _sayable(point: str) -> bool:
    """Whether engines can be told this path: as part of an argument, and in JSON."""
    return point.isprintable() and not set(point) & set(',:"') and "//deleted" not in point


def _relative(point: str, source: str) -> str:
    return point.removeprefix(source).lstrip("/")


def _bind(source: str, target: str, reason: str) -> Mount:
    return Mount(source=source, target=target, reason=reason, read_only=True, recursive=False)
