# SPDX-License-Identifier: Apache-2.0
"""Container runtimes: one protocol, one file each, and here the table that names them."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from launcher import process
from launcher.deadline import NEVER, Deadline
from launcher.errors import RuntimeUnavailableError, UsageError
from launcher.runtimes import ping, user_namespace
from launcher.runtimes.lsm import Lsm

if TYPE_CHECKING:
    from collections.abc import Callable

    from launcher.host import Host
    from launcher.runtimes.base import Runtime

# Bottlerocket keeps a second containerd for host containers: pods cannot disturb it.
CONTAINERD_SOCKETS: Final = (
    "/run/host-containerd/containerd.sock",
    "/run/containerd/containerd.sock",
    "/run/docker/containerd/containerd.sock",
)
DOCKER_SOCKET: Final = "/run/docker.sock"
# Seconds until a daemon counts as one that hangs; under load the slow ones take two or three.
ANSWER_LIMIT: Final = 10.0


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for: `name` is a name of `TABLE` or `auto`; empty means the default.

    `selinux_type` is the domain of containers that work on the host.
    """

    name: str = "auto"
    socket: str = ""
    namespace: str = "hatchway"
    selinux_type: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """The runtime, in words why it was chosen, and the wish that finds this very one again."""

    runtime: Runtime
    why: str
    again: Wish


class Found(NamedTuple):
    """The runtime of one name, if it answers, and why it does or does not."""

    runtime: Runtime | None
    why: str
    socket: str = ""


def choose(wish: Wish, host: Host, deadline: Deadline = NEVER) -> Choice:
    """The runtime to use, bound to the deadline.

    `RuntimeUnavailableError` lists what was looked at and found wanting.
    """
    require_known(wish.name)
    if wish.name != "auto":
        found = TABLE[wish.name](wish, host, deadline)
        if found.runtime is None:
            raise _unavailable(wish.name, found.why)
        again = dataclasses.replace(wish, socket=found.socket)
        return Choice(found.runtime.within(deadline), "asked for", again)
    looked_at: dict[str, str] = {}
    for name in _AUTOMATIC:
        # One that hangs takes no more than half of the time from those that follow.
        found = TABLE[name](wish, host, deadline.within(deadline.left(2 * ANSWER_LIMIT) / 2))
        if found.runtime is not None:
            again = Wish(name, found.socket, wish.namespace, wish.selinux_type)
            runtime = found.runtime.within(deadline)
            return Choice(runtime, f"{found.why}{_passed_over(looked_at)}", again)
        looked_at[name] = found.why
    hint = "Start one of them, or name its socket with --socket."
    message = "no container runtime was found: " + "; ".join(
        f"{name}: {why}" for name, why in looked_at.items()
    )
    raise RuntimeUnavailableError("runtime.none", message, hint, looked_at=looked_at)


def require_known(name: str) -> None:
    if name != "auto" and name not in TABLE:
        message = f"there is no runtime {name!r}"
        raise UsageError("usage.invalid", message, f"Choose auto, {', '.join(TABLE)}.")


def _unavailable(name: str, why: str) -> RuntimeUnavailableError:
    if ping.HUNG in why or ping.LATE in why:
        hint = "Restart it if it hangs, or choose another with --runtime."
        return RuntimeUnavailableError("runtime.timeout", f"{name}: {why}", hint)
    if user_namespace.ROOTLESS in why:
        hint = "Name the socket of one that root runs (--socket), or another with --runtime."
        return RuntimeUnavailableError("runtime.rootless", f"{name}: {why}", hint)
    hint = "Install or start it, or choose another with --runtime."
    return RuntimeUnavailableError("runtime.down", f"{name}: {why}", hint)


def _passed_over(looked_at: dict[str, str]) -> str:
    return f" (not {' or '.join(looked_at)}, which did not answer)" if looked_at else ""


def _containerd(wish: Wish, host: Host, deadline: Deadline) -> Found:
    program = process.find_program("ctr")
    if program is None:
        return Found(None, "no ctr on PATH")
    from launcher.runtimes.containerd import Containerd
    from launcher.runtimes.ctr import Ctr

    problems = []
    for address in [wish.socket] if wish.socket else CONTAINERD_SOCKETS:
        problem = silence(address, ping.GRPC, deadline)
        if problem is None:
            ctr = Ctr(program, address, wish.namespace)
            runtime = Containerd(ctr, lsm=Lsm.read(host, wish.selinux_type))
            return Found(runtime, f"containerd answers at {address}", address)
        problems.append(f"{address}: {problem}")
    return Found(None, ", ".join(problems))


def _docker(wish: Wish, host: Host, deadline: Deadline) -> Found:
    program = process.find_program("docker")
    if program is None:
        return Found(None, "no docker on PATH")
    address = wish.socket or _docker_socket()
    problem = silence(address, ping.DOCKER, deadline)
    if problem is not None:
        return Found(None, f"{address}: {problem}")
    from launcher.runtimes.docker import Docker

    options = ("--host", f"unix://{address}")
    runtime = Docker("docker", program, options, lsm=Lsm.read(host, wish.selinux_type))
    return Found(runtime, f"docker answers at {address}", address)


def _docker_socket() -> str:
    named = os.environ.get("DOCKER_HOST", "")
    return named.removeprefix("unix://") if named.startswith("unix://") else DOCKER_SOCKET


def _podman(wish: Wish, host: Host, _deadline: Deadline) -> Found:
    program = process.find_program("podman")
    if program is None:
        return Found(None, "no podman on PATH")
    from launcher.runtimes.podman import Podman

    options: tuple[str, ...] = ()
    # crun refuses hybrid cgroups, and podman prefers crun: name the one that works.
    if host.hybrid_cgroups and process.find_program("runc"):
        options = ("--runtime", "runc")
    if not Path("/run/systemd/system").is_dir():  # sd_booted(3)
        options += ("--cgroup-manager", "cgroupfs", "--events-backend", "file")
    runtime = Podman("podman", program, options, lsm=Lsm.read(host, wish.selinux_type))
    return Found(runtime, f"podman is at {program}")


def _nerdctl(wish: Wish, host: Host, deadline: Deadline) -> Found:
    program = process.find_program("nerdctl")
    if program is None:
        return Found(None, "no nerdctl on PATH")
    address = wish.socket or CONTAINERD_SOCKETS[1]
    problem = silence(address, ping.GRPC, deadline)
    if problem is not None:
        return Found(None, f"{address}: {problem}")
    from launcher.runtimes.whales import Whales

    options = ("--address", address, "--namespace", wish.namespace)
    runtime = Whales("nerdctl", program, options, lsm=Lsm.read(host, wish.selinux_type))
    return Found(runtime, f"containerd answers at {address}", address)


def silence(address: str, question: bytes, deadline: Deadline = NEVER) -> str | None:
    """Why no daemon of the host's root answers on the socket, or None."""
    problem = ping.problem(address, question, deadline.left(ANSWER_LIMIT))
    return problem or user_namespace.rootless(address) or None


TABLE: Final[dict[str, Callable[[Wish, Host, Deadline], Found]]] = {
    "docker": _docker,
    "containerd": _containerd,
    "podman": _podman,
    "nerdctl": _nerdctl,
}
# nerdctl sits on containerd, which `ctr` reaches as well and faster: only when asked for.
# docker stands before containerd, because docker's own containerd would answer as well.
_AUTOMATIC: Final = ("docker", "containerd", "podman")
