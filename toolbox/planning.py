# SPDX-License-Identifier: Apache-2.0
"""From what is wanted to the container: a profile, a view of the host, and what was asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from admin_image import spec
from launcher.errors import UsageError
from launcher.plan import Mount, Plan
from launcher.profiles import rights
from toolbox import observing, profiles, view
from toolbox.target import joining

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from launcher.host import Host
    from launcher.runtimes.base import Image
    from toolbox.profiles import Profile
    from toolbox.request import Request

PREFIX: Final = "hatchway-toolbox-"
KEPT_PREFIX: Final = "hatchway-kept-"
# The first to go when memory runs out: it is there to save the host, not to fill it.
OOM_SCORE_ADJ: Final = 500
# For journalctl of the image, which looks at the places that the host's own would look at.
_JOURNAL: Final = ("/etc/machine-id", "/run/log/journal", "/var/log/journal")
# For systemctl and for what speaks D-Bus; only where the profile may change the host anyway.
_SERVICES: Final = ("/run/systemd", "/run/dbus")
# bash and ash both read it, unless a file of the image has its own.
_PROMPT: Final = r"[\u@{}:\h \w]\$ "


def plan(request: Request, host: Host, image: Image, name: str, *, engine: str = "") -> Plan:
    """The container for one command; `name` is the container's, `engine` the runtime's."""
    profile = profiles.named(request.profile)
    if request.joining is not None:
        _check_beside(request)
    notes: list[str] = []
    if profile.looks_only:
        observing.check(profiles.DEFAULT, request)
    made = Plan(
        name=name,
        image=image,
        host_namespaces=profile.host_namespaces,
        mounts=tuple(_mounts(request, profile, host, notes)),
        tmpfs=observing.PLACES if profile.looks_only else (),
        capabilities=rights.capabilities(
            host, _needs(request, profile, image), profile.capabilities, notes
        ),
        limits=rights.limits(
            host, notes, memory=request.memory, cpus=request.cpus, pids=request.pids,
            oom_score_adj=OOM_SCORE_ADJ,
        ),
        environment={**_environment(request), **request.environment},
        labels={**rights.labels("toolbox"), "io.hatchway.toolbox.profile": profile.name},
        notes=tuple(notes),
        command=request.command,
        user=request.user or "0:0",
        workdir=request.workdir,
        terminal=request.terminal,
        confined=profile.confined,
        looks_only=profile.looks_only,
        lsm=profile.lsm,
    )  # fmt: skip
    if request.joining is not None:
        made = joining.adapt(made, request.joining, engine=engine, kept=profile.capabilities)
    return observing.adapt(made, engine) if made.looks_only else made


def _check_beside(request: Request) -> None:
    if request.host_rw:
        message = "--host-rw: beside a target nothing of the host is seen"
        raise UsageError("usage.invalid", message, "--volume shows a directory of it.")
    for volume in request.volumes:
        if f"{volume.target}/".startswith(f"{spec.TARGET}/"):  # a place would be made in it
            message = f"--volume: {volume.target} is the target's"
            raise UsageError("usage.invalid", message)


def _needs(request: Request, profile: Profile, image: Image) -> Mapping[str, str]:
    """What programs of ours take in the container, on top of what the command has."""
    if not joining.is_ours(image):
        return {}
    if request.joining is not None:
        return joining.NEEDS
    return observing.NEEDS if profile.looks_only else {}


def _environment(request: Request) -> dict[str, str]:
    given = {"container": "hatchway"}
    if request.joining is None:
        given |= {"HOST": spec.HOST, "SYSTEMD_IGNORE_CHROOT": "1"}
    return {**given, **prompt("toolbox")} if request.terminal else given


def prompt(place: str) -> dict[str, str]:
    """Variables for a shell: our own image writes the place into its prompt, others take PS1."""
    terminal = os.environ.get("TERM", "xterm")
    return {"HATCHWAY_PLACE": place, "PS1": _PROMPT.format(place), "TERM": terminal}


def _mounts(request: Request, profile: Profile, host: Host, notes: list[str]) -> Iterator[Mount]:
    if request.joining is not None:
        # What the command sees, the target may see: nothing of the host but what is asked for.
        yield from _volumes(request, profile, notes)
        return
    if profile.sees_host:
        yield from _view(request, host, notes)
        yield from (
            Mount(
                source=place, target=place, read_only=True, recursive=False,
                reason="the host's journal",
            )
            for place in _JOURNAL
            if Path(place).exists() and not (request.keep and place.startswith("/run/"))
        )  # fmt: skip
    if profile.devices:
        yield Mount(source="/dev", target="/dev", reason="the host's devices, also those to come")
        yield Mount(source="/sys", target="/sys", reason="the host's devices, cgroups and tracing")
        yield from (
            Mount(source=place, target=place, reason="systemctl, D-Bus")
            for place in _SERVICES
            if Path(place).is_dir()
        )
    yield from _volumes(request, profile, notes)


def _volumes(request: Request, profile: Profile, notes: list[str]) -> Iterator[Mount]:
    for volume in request.volumes:
        if profile.looks_only and not volume.read_only:
            notes.append(f"{volume.target} is read-only: whoever observes changes nothing")
        if volume.read_only or profile.looks_only:
            yield from view.sealed(volume.source, volume.target, "asked for", notes)
        else:
            yield Mount(source=volume.source, target=volume.target, reason="asked for")


def _view(request: Request, host: Host, notes: list[str]) -> Iterator[Mount]:
    if not request.host_rw:
        # What is kept is started again after other things were mounted below /run.
        lasting = bool(request.keep)
        yield from view.sealed("/", spec.HOST, "the host, to look at", notes, lasting=lasting)
        return
    yield Mount(
        source="/",
        target=spec.HOST,
        # A slave sees the host mount and unmount: a private copy would hold its disks busy.
        propagation="rslave" if host.root_shared else "rprivate",
        reason="the host, to change: --host-rw",
    )
