# SPDX-License-Identifier: Apache-2.0
"""A plan as the arguments of `run`, for clients with docker's command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from hostview import seccomp_allow
from launcher import files
from launcher.errors import ContainerError, UsageError
from launcher.runtimes import confinement
from launcher.runtimes.lsm import APPARMOR, LEVEL, NONE, SELINUX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from launcher.plan import Mount, Plan
    from launcher.runtimes.base import Entry
    from launcher.runtimes.lsm import Lsm

_FLAGS: Final = {
    "pid": "--pid", "network": "--network", "ipc": "--ipc", "uts": "--uts", "cgroup": "--cgroupns",
    "user": "--userns",
}  # fmt: skip
# nerdctl has no such option before its version 2.1, and no such setting either.
_USER_NAMESPACES: Final = ("docker", "podman")
_LONGEST_LINE: Final = 65_536  # bufio.MaxScanTokenSize in Go, which both clients read it with


def run_arguments(
    plan: Plan,
    *,
    engine: str,
    environment_file: str,
    scratch: Path | None = None,
    lsm: Lsm = NONE,
) -> tuple[str, ...]:
    """What stands after `run`: options, the image, and the plan's command.

    The environment is to be in `environment_file` (see `environment_text`): an argument is seen
    by everyone on the host. A plan that only looks needs `scratch` for its filter.
    """
    program, *arguments = plan.command or ("",)
    entrypoint = (f"--entrypoint={program}",) if program else ()
    return (
        f"--name={plan.name}", "--pull=never",
        *_namespaces(plan, engine), *_rights(plan, engine, scratch), *_lsm(plan, lsm),
        *(option for mount in plan.mounts for option in _mount(mount, engine, _relabel(plan, lsm))),
        *(f"--tmpfs={place}:exec" for place in plan.tmpfs),
        *_limits(plan), f"--env-file={environment_file}",
        *(f"--label={name}={value}" for name, value in plan.labels.items()),
        *_process(plan), *entrypoint, plan.image.runs_as, *arguments,
    )  # fmt: skip


def environment_text(environment: Mapping[str, str]) -> bytes:
    """The file for `--env-file`, which knows no quotes: lines without breaks, and not too long."""
    lines = []
    for name, value in environment.items():
        line = f"{name}={value}\n".encode(errors="surrogateescape")
        if "\n" in value or len(line) > _LONGEST_LINE:
            problem = "holds a line break" if "\n" in value else "has more than 64 KiB"
            message = f"the value of {name} {problem}"
            hint = "Only containerd takes such a value; put it into a file and mount that."
            raise UsageError("usage.invalid", message, hint)
        lines.append(line)
    return b"".join(lines)


def _namespaces(plan: Plan, engine: str) -> Iterator[str]:
    if "network" not in plan.host_namespaces and "network" not in plan.joins:
        yield "--network=none"  # one of its own, as containerd's; not the engine's bridge
    works_on_host = plan.host_namespaces or plan.joins
    if works_on_host and engine in _USER_NAMESPACES and "user" not in plan.joins:
        # Or the engine may be set to give each container one, in which nobody is root on the host.
        yield "--userns=host"
    for kind in plan.host_namespaces:
        yield f"{_FLAGS[kind]}=host"
    for kind, place in plan.joins.items():
        if engine == "podman":
            yield f"{_FLAGS[kind]}={place if place.startswith('container:') else f'ns:{place}'}"
        elif place.startswith("container:"):
            yield f"{_FLAGS[kind]}={place}"
        else:
            message = f"{engine} joins no {kind} namespace by its path"
            hint = "Use podman or containerd for it (--runtime)."
            raise ContainerError("runtime.failed", message, hint)


def exec_options(entry: Entry, *, environment_file: str) -> Iterator[str]:
    """What stands between `exec` and the container's name."""
    if entry.interactive:
        yield "--interactive"
    if entry.terminal:
        yield "--tty"
    if entry.user:
        yield f"--user={entry.user}"
    if entry.workdir:
        yield f"--workdir={entry.workdir}"
    yield f"--env-file={environment_file}"


def _rights(plan: Plan, engine: str, scratch: Path | None) -> Iterator[str]:
    yield "--cap-drop=ALL"
    yield from (f"--cap-add={capability.name}" for capability in plan.capabilities)
    if plan.looks_only or (plan.own_filter and plan.confined):
        assert scratch is not None  # noqa: S101 - as said in `run_arguments`
        place = scratch / "seccomp.json"
        files.write(place, json.dumps(_filter(plan)).encode())
        yield f"--security-opt=seccomp={place}"
    if plan.looks_only:
        yield "--security-opt=no-new-privileges"
        yield f"--ulimit=core={seccomp_allow.CORE_LIMIT}:{seccomp_allow.CORE_LIMIT}"
    if not plan.confined:
        yield "--security-opt=seccomp=unconfined"
        unmask = "unmask=ALL" if engine == "podman" else "systempaths=unconfined"
        yield f"--security-opt={unmask}"
        yield "--device-cgroup-rule=a *:* rwm"


def _filter(plan: Plan) -> dict[str, Any]:
    if plan.looks_only:
        return confinement.observers_seccomp()
    return confinement.seccomp(capability.name for capability in plan.capabilities)


def _lsm(plan: Plan, lsm: Lsm) -> Iterator[str]:
    """What is left out is the engine's own."""
    if APPARMOR not in plan.lsm:
        yield "--security-opt=apparmor=unconfined"
    if SELINUX not in plan.lsm:
        if lsm.domain:
            yield f"--security-opt=label=type:{lsm.domain}"
            yield f"--security-opt=label=level:{LEVEL}"
        else:
            yield "--security-opt=label=disable"


def _relabel(plan: Plan, lsm: Lsm) -> str:
    """An option of volumes: what the engine's own label is to read has to be given that label."""
    return ",Z" if SELINUX in plan.lsm and lsm.domain else ""


def _mount(mount: Mount, engine: str, relabel: str = "") -> tuple[str, str]:
    """Recursive and private is what all three do of themselves; docker refuses to be told so."""
    if not mount.recursive:
        mode = ",readonly" if mount.read_only else ""
        # dockerd makes a slave of what holds its own directory, and what the host mounts later
        # would come in writable: written like this it does not know the place, the kernel does.
        source = f"/.{mount.source}" if engine == "docker" else mount.source
        place = f"type=bind,source={source},target={mount.target}"
        return "--mount", f"{place}{mode},bind-nonrecursive,bind-propagation={mount.propagation}"
    mode = "ro" if mount.read_only else "rw"
    if mount.propagation != "rprivate":
        mode = f"{mode},{mount.propagation}"
    return "--volume", f"{mount.source}:{mount.target}:{mode}{relabel}"


def _limits(plan: Plan) -> Iterator[str]:
    limits = plan.limits
    yield f"--memory={limits.memory}"
    yield f"--cpus={limits.cpus}"
    yield f"--pids-limit={limits.pids}"
    yield f"--oom-score-adj={limits.oom_score_adj}"
    for name, hard in (("nofile", limits.nofile), ("nproc", limits.nproc)):
        if hard is not None:
            yield f"--ulimit={name}={hard}:{hard}"


def _process(plan: Plan) -> Iterator[str]:
    if plan.user:
        yield f"--user={plan.user}"
    if plan.workdir:
        yield f"--workdir={plan.workdir}"
    if plan.hostname:
        yield f"--hostname={plan.hostname}"
    if plan.terminal:
        yield "--tty"
