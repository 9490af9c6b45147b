# SPDX-License-Identifier: Apache-2.0
"""A container as one value, before anything is done: printed, compared, tested, then rendered."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shlex
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from launcher.runtimes.base import Image

Propagation = Literal["rprivate", "rslave", "rshared"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A bind mount of the host; `reason` says what it is for.

    `recursive` takes what is mounted below along; `read_only` then holds for the top alone.
    """

    source: str
    target: str
    reason: str
    read_only: bool = False
    propagation: Propagation = "rprivate"
    recursive: bool = True


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """A capability by its kernel name without CAP_, and what it is for."""

    name: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the container may take: memory in bytes, cpus as a share of cores, hard rlimits.

    `nofile` and `nproc` None leave the kernel's own; everything else is always set.
    """

    memory: int
    cpus: float
    pids: int
    oom_score_adj: int
    nofile: int | None
    nproc: int | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A container to be.

    `host_namespaces` are those that it shares with the host (`pid network ipc uts cgroup`);
    `joins` are those of another process, by path (`network` -> `/proc/PID/ns/net`); every other
    one is its own. `tmpfs` are places for empty file systems of its own.

    Unless `confined` it gets all devices, no seccomp filter and no masked paths; confined, what
    its engine gives to any container; `looks_only` is for one that may change nothing: a filter
    that allows what reading takes, and no right that it does not begin with; `own_filter` takes
    our seccomp filter instead of the engine's. `lsm` are those (`apparmor`, `selinux`) whose
    profile or label for any container holds it, too.

    `command` stands for the image's entrypoint and arguments together, and none, `user` or
    `workdir` means the image's own. `terminal` gives it one.
    """

    name: str
    image: Image
    host_namespaces: tuple[str, ...]
    mounts: tuple[Mount, ...]
    tmpfs: tuple[str, ...] = ()
    capabilities: tuple[Capability, ...]
    limits: Limits
    environment: dict[str, str]
    labels: dict[str, str]
    notes: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    workdir: str = ""
    hostname: str = ""
    terminal: bool = False
    confined: bool = False
    looks_only: bool = False
    own_filter: bool = False
    lsm: tuple[str, ...] = ()
    joins: dict[str, str] = dataclasses.field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def digest(self) -> str:
        """Identity of the plan: two plans with the same digest are the same container."""
        text = json.dumps(self.as_json(), sort_keys=True)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    def describe(self) -> list[str]:
        """The plan for a reader, a line for each decision."""
        limits = self.limits
        lines = [
            f"container  {self.name}",
            f"image      {self.image.name} {self.image.config_digest}",
            f"shares     {', '.join(self.host_namespaces) or 'nothing'} with the host",
            (
                f"limits     memory {limits.memory // 2**20} MiB, cpus {limits.cpus:g}, "
                f"pids {limits.pids}, oom score {limits.oom_score_adj:+d}"
            ),
        ]
        if self.command:
            lines.append(f"runs       {shlex.join(self.command)}")
        lines += [f"joins      {kind} {path}" for kind, path in self.joins.items()]
        if self.confined:
            more = ", no sockets but netlink, no new rights" if self.looks_only else ""
            lines.append(f"confined   seccomp, masked paths, ordinary devices{more}")
        if self.lsm:
            lines.append(
                f"lsm        {', '.join(self.lsm)}: the engine's own, where the host has it"
            )
        for mount in self.mounts:
            mode = "ro" if mount.read_only else "rw"
            lines.append(f"mount      {mount.source} -> {mount.target} {mode}: {mount.reason}")
        lines += [f"capability {cap.name}: {cap.reason}" for cap in self.capabilities]
        lines += [f"note       {note}" for note in self.notes]
        return lines
