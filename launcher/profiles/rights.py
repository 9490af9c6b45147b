# SPDX-License-Identifier: Apache-2.0
"""What all profiles share: they ask for no more than the caller has.

What a container cannot do without is refused before anything is touched; what it merely misses
becomes a note of its plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from launcher import VERSION
from launcher.errors import HostError
from launcher.plan import Capability, Limits, Mount

if TYPE_CHECKING:
    from collections.abc import Mapping

    from launcher.host import Host

MIB: Final = 2**20


def labels(role: str) -> dict[str, str]:
    return {"io.hatchway.role": role, "io.hatchway.version": VERSION}


def view_of_host(host: Host, target: str, notes: list[str]) -> Mount:
    """The whole host, to look at. Its root alone is read-only: sealing the rest is the image's."""
    if not host.root_shared:
        notes.append(
            "/ is a private mount here: mounts made later on the host stay unseen at /host"
        )
    return Mount(
        source="/",
        target=target,
        read_only=True,
        # A slave sees the host unmount: a private copy would hold its disks busy.
        propagation="rslave" if host.root_shared else "rprivate",
        reason="the host, to look at",
    )


def capabilities(
    host: Host, needs: Mapping[str, str], wants: Mapping[str, str], notes: list[str]
) -> tuple[Capability, ...]:
    """Both kinds (name -> reason), as far as the caller has them."""
    if missing := sorted(needs.keys() - host.capabilities):
        message = f"the caller lacks {', '.join('CAP_' + name for name in missing)}"
        hint = "Run the launcher on the host itself, as root, outside any container or sandbox."
        raise HostError("host.capability", message, hint, missing=missing)
    wanted = {**needs, **wants}
    if absent := sorted(wants.keys() - host.capabilities):
        notes.append(f"without {', '.join('CAP_' + name for name in absent)}: the caller has none")
    names = sorted(wanted.keys() & host.capabilities)
    return tuple(Capability(name=name, reason=wanted[name]) for name in names)


def limits(
    host: Host, notes: list[str], *, memory: int, cpus: float, pids: int, oom_score_adj: int
) -> Limits:
    # Half of a small host is enough: the other half is what the container is there to save.
    if memory > host.memory // 2:
        memory = host.memory // 2
        notes.append(f"memory limited to {memory // MIB} MiB, half of this host")
    if "SYS_RESOURCE" not in host.capabilities:
        # proc(5): lowering it takes CAP_SYS_RESOURCE.
        oom_score_adj = max(oom_score_adj, host.oom_score_adj)
    return Limits(
        memory=memory,
        cpus=min(cpus, float(host.cpus)),
        pids=pids,
        oom_score_adj=oom_score_adj,
        nofile=host.nofile,
        nproc=host.nproc,
    )
