# SPDX-License-Identifier: Apache-2.0
"""Targets: one container, named as people name it, found in whichever engine runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from launcher.errors import TargetError
from launcher.runtimes.base import State
from toolbox.target.found import Candidate, Target, target
from toolbox.target.name import Name, parse

if TYPE_CHECKING:
    from launcher.host import Host
    from launcher.runtimes import Wish


def resolve(text: str, wish: Wish, host: Host, *, socket: str = "") -> Target:
    """The running container that `text` names.

    It may be another engine's than the toolbox is to run in, which `wish` says; `socket` is the
    one of the target's. Raises `UsageError` for what is no name, `TargetError` when nothing or
    more than one thing fits, or it does not run, `RuntimeUnavailableError` without its engine.
    """
    name = parse(text)
    engine = "containerd" if name.kind == "pod" else name.kind
    own = socket or (wish.socket if wish.name in ("auto", engine) else "")
    return target(_candidate(name, own, host), name)


def _candidate(name: Name, socket: str, host: Host) -> Candidate:
    from toolbox.target import containers, engines, pods

    match name.kind:
        case "pid":
            return _by_pid(name)
        case "pod":
            return pods.by_pod(name, engines.containerds(socket))
        case "containerd":
            return containers.by_containerd(name, engines.containerds(socket))
        case "docker" | "podman":
            return containers.by_client(name, engines.client(name.kind, socket, host))


def _by_pid(name: Name) -> Candidate:
    from launcher import proc

    pid = int(name.name)
    title = proc.title(pid)
    if not title:
        message = f"there is no process {pid} on this host"
        raise TargetError("target.not-found", message, "The number is that of the host's ps.")
    if proc.is_kernel_thread(pid):
        message = f"process {pid} ({title}) is the kernel's own and has nothing to look at"
        raise TargetError("target.not-running", message, "Name a process of the container.")
    return Candidate(
        runtime="", prefix="pid:", id=name.name, name=title.split()[0].rpartition("/")[2],
        state=State.PAUSED if proc.is_stopped(pid) else State.RUNNING, pid=pid,
    )  # fmt: skip
