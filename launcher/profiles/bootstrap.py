# SPDX-License-Identifier: Apache-2.0
"""What the bootstrap container may do: prepare a node as its root would, but not privileged.

Users' scripts run here, often unread. They reach the host's state (/etc, /var, ...), its disks,
network and units; not its programs, which are read-only, and not other processes' memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from bootstrap_image import spec
from launcher.plan import Mount, Plan
from launcher.profiles import rights

if TYPE_CHECKING:
    from collections.abc import Iterable

    from launcher.host import Host
    from launcher.runtimes.base import Image

NAME: Final = "hatchway-bootstrap"

NEEDS: Final = {
    "SYS_ADMIN": "mount what scripts mount, seal the view of the host",
    "DAC_OVERRIDE": "write files of any user, as root's scripts expect",
    "FOWNER": "chmod of any file",
    "CHOWN": "write_files with an owner",
    "SETUID": "su, setpriv, and packages' own users",
    "SETGID": "the same for groups",
}
WANTS: Final = {
    # The default set of container engines.
    "FSETID": "keep setuid bits",
    "KILL": "end what a script left behind",
    "SETPCAP": "drop rights for a child",
    "SETFCAP": "install programs with file capabilities",
    "NET_BIND_SERVICE": "a service on a low port",
    "NET_RAW": "ping: is the network there yet?",
    "MKNOD": "device nodes",
    "AUDIT_WRITE": "su and others write audit records",
    # Besides.
    "SYS_CHROOT": "run a program of the host by chroot /host",
    "NET_ADMIN": "ip, sysctl net.*, nft",
    "SYS_MODULE": "modprobe",
    "SYS_RESOURCE": "reserved disk space, limits, sysctl of them",
    "SYS_TIME": "set the clock once",
    "LINUX_IMMUTABLE": "chattr",
    "IPC_LOCK": "LVM locks its memory",
    "SYS_NICE": "renice, chrt",
    "AUDIT_CONTROL": "audit rules",
}


def plan(
    image: Image, host: Host, *, memory: int, cpus: float, pids: int, more: Iterable[str] = ()
) -> Plan:
    """The bootstrap container, which runs all jobs of one image and ends.

    `more` are capabilities that the settings add, for scripts that need them.
    """
    notes: list[str] = []
    return Plan(
        name=NAME,
        image=image,
        host_namespaces=("pid", "network", "ipc", "uts", "cgroup"),
        mounts=_mounts(host, notes),
        tmpfs=(spec.TMP,),
        capabilities=rights.capabilities(host, NEEDS, wanted(more), notes),
        limits=rights.limits(host, notes, memory=memory, cpus=cpus, pids=pids, oom_score_adj=0),
        environment={"HOST": spec.HOST, "container": "hatchway"},
        labels=rights.labels("bootstrap"),
        notes=tuple(notes),
    )


def wanted(more: Iterable[str]) -> dict[str, str]:
    """What it would like to have, and what the settings add to that."""
    asked = dict.fromkeys(set(more) - NEEDS.keys(), f"{spec.CAPABILITIES_SETTING} names it")
    return {**asked, **WANTS}


def _mounts(host: Host, notes: list[str]) -> tuple[Mount, ...]:
    return (
        rights.view_of_host(host, spec.HOST, notes),
        Mount(source="/dev", target="/dev", reason="the host's disks, also those to come"),
        Mount(source="/sys", target="/sys", reason="sysctl's sibling: block queues, cgroups, net"),
        *(_state(place, host) for place in spec.WRITABLE if Path(place).is_dir()),
    )


def _state(place: str, host: Host) -> Mount:
    shared = host.root_shared and place in spec.SHARED
    return Mount(
        # On these hosts /opt and others are links into the data disk.
        source=str(Path(place).resolve()),
        target=place,
        propagation="rshared" if shared else "rprivate",
        reason="the host's state" + (", and mounts that show on the host" if shared else ""),
    )
