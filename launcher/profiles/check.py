# SPDX-License-Identifier: Apache-2.0
"""A container that only reads what it is given: no right, no network, nothing else of the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from launcher.plan import Plan
from launcher.profiles import rights

if TYPE_CHECKING:
    from launcher.host import Host
    from launcher.plan import Mount
    from launcher.runtimes.base import Image

MEMORY: Final = 512 * rights.MIB  # user data of 16 MiB, unpacked a few times
PIDS: Final = 64
NOBODY: Final = "65534:65534"


def plan(image: Image, host: Host, *, name: str, command: tuple[str, ...], mount: Mount) -> Plan:
    """`mount` is what it reads; what it found goes to standard output."""
    notes: list[str] = []
    return Plan(
        name=name,
        image=image,
        host_namespaces=(),
        mounts=(mount,),
        capabilities=(),
        limits=rights.limits(host, notes, memory=MEMORY, cpus=2, pids=PIDS, oom_score_adj=0),
        environment={},
        labels=rights.labels("check"),
        notes=tuple(notes),
        command=command,
        user=NOBODY,
        confined=True,
        lsm=("apparmor", "selinux"),
    )
