# SPDX-License-Identifier: Apache-2.0
"""Engines and containers that are root in a user namespace of their own are not on this host.

user_namespaces(7): nobody in there has a right over what belongs to the namespaces outside.
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

from launcher.errors import ContainerError

if TYPE_CHECKING:
    from launcher.runtimes.base import Container, Runtime

CONNECT_LIMIT: Final = 2.0
_GRACE: Final = 1.0
ROOTLESS: Final = "rootless: "
_HINT: Final = (
    "Use an engine without user namespaces, or the containerd below docker: "
    "--runtime containerd --socket /run/docker/containerd/containerd.sock."
)
_UCRED: Final = "3i"  # unix(7): pid, uid, gid of who listens


def rootless(address: str) -> str:
    """Why whoever listens on the socket is no engine of the host's root; nothing if it is."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(CONNECT_LIMIT)
        try:
            client.connect(address)
            said = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(_UCRED))
        except OSError:
            return ""
    pid, uid, _ = struct.unpack(_UCRED, said)
    if uid != os.geteuid():
        return f"{ROOTLESS}it is run by user {uid}"
    return f"{ROOTLESS}it is in a user namespace of its own" if is_apart(pid) else ""


def is_apart(pid: int) -> bool:
    """Whether the process has another user namespace than we, who have that of PID 1.

    One that has ended has none; see `host.require_root` for ours.
    """
    try:
        return Path(f"/proc/{pid}/ns/user").readlink() != Path("/proc/self/ns/user").readlink()
    except OSError:
        return False


def checked(container: Container, runtime: Runtime) -> Container:
    """The container, which was just started.

    `ContainerError("runtime.user-namespace")` when it has one of its own; it is removed then.
    """
    if is_apart(container.pid):
        runtime.remove(container.name, grace=_GRACE)
        message = f"the container that {runtime.name} started has a user namespace of its own"
        raise ContainerError("runtime.user-namespace", message, _HINT)
    return container


def check_owner(container: Container, engine: str) -> None:
    """The same when its files are not root's: sudo and sshd would refuse them.

    docker with userns-remap gives all files of its images away, also of a container that it is
    told not to remap.
    """
    try:
        owner = Path(f"/proc/{container.pid}/root/usr").stat().st_uid
    except OSError:  # it has ended; why is for others to tell
        return
    if owner:
        message = f"{engine} makes containers of files that belong to user {owner} instead of root"
        raise ContainerError("runtime.user-namespace", message, _HINT)
