# SPDX-License-Identifier: Apache-2.0
"""A bootstrap container of the user's own image, with the places that Bottlerocket's images know.

It has the rights of the bootstrap container, but the image's own /etc and /var: what it is to do
to the host it does below `ROOTFS`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from bootstrap_image import spec
from launcher.plan import Mount, Plan
from launcher.profiles import bootstrap, rights

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from launcher.host import Host
    from launcher.plan import Propagation
    from launcher.runtimes.base import Image

ROOTFS: Final = "/.bottlerocket/rootfs"
CONTAINERS: Final = "/.bottlerocket/bootstrap-containers"
USER_DATA: Final = "user-data"  # in CONTAINERS/current

# As Bottlerocket has them, where the host has them; what is mounted there shows on the host.
_SHARED: Final = ("/var/lib/containerd", "/var/lib/docker", "/var/lib/kubelet")
_MODULES: Final = "/lib/modules"


def plan(
    image: Image,
    host: Host,
    *,
    name: str,
    kept: Path,
    command: tuple[str, ...],
    environment: Mapping[str, str],
    memory: int,
    cpus: float,
    pids: int,
    more: Iterable[str] = (),
) -> Plan:
    """The container `name` of the settings; `kept` is its own directory on the host.

    No `command` means the image's own entrypoint; `more` are capabilities that the settings add.
    """
    notes: list[str] = []
    return Plan(
        name=bootstrap.NAME,
        image=image,
        host_namespaces=("pid", "network", "ipc", "uts", "cgroup"),
        mounts=(*_view(host, notes), *_places(host), *_own(name, kept)),
        capabilities=rights.capabilities(host, bootstrap.NEEDS, bootstrap.wanted(more), notes),
        limits=rights.limits(host, notes, memory=memory, cpus=cpus, pids=pids, oom_score_adj=0),
        environment={"HOST": spec.HOST, "container": "hatchway", **environment},
        labels=rights.labels("bootstrap"),
        notes=tuple(notes),
        command=command,
    )


def _view(host: Host, notes: list[str]) -> Iterator[Mount]:
    yield rights.view_of_host(host, ROOTFS, notes)
    yield rights.view_of_host(host, spec.HOST, [])
    yield Mount(source="/dev", target="/dev", reason="the host's disks, also those to come")
    yield Mount(source="/sys", target="/sys", reason="block queues, cgroups, net")


def _places(host: Host) -> Iterator[Mount]:
    shared: Propagation = "rshared" if host.root_shared else "rprivate"
    places = {f"{ROOTFS}/mnt": "/mnt", **{place: place for place in _SHARED}}
    for target, place in places.items():
        if Path(place).is_dir():
            yield Mount(
                # On these hosts /mnt is a link into the data disk.
                source=str(Path(place).resolve()), target=target, propagation=shared,
                reason="what is mounted there shows on the host",
            )  # fmt: skip
    if Path(_MODULES).is_dir():
        source = str(Path(_MODULES).resolve())
        yield Mount(source=source, target=_MODULES, read_only=True, reason="for modprobe")


def _own(name: str, kept: Path) -> Iterator[Mount]:
    for target in (name, "current"):
        yield Mount(
            source=str(kept), target=f"{CONTAINERS}/{target}", reason="its user data, and its own"
        )
