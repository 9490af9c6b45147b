# SPDX-License-Identifier: Apache-2.0
"""Where targets may run: every containerd that answers, and the clients of docker and podman."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from launcher import process, runtimes
from launcher.errors import RuntimeUnavailableError
from launcher.runtimes import ping
from toolbox.target.containerd import Containerd

if TYPE_CHECKING:
    from launcher.host import Host


def containerds(socket: str) -> list[Containerd]:
    """The one at `socket`, or each that answers: pods may run in another than the toolbox does."""
    program = process.find_program("ctr")
    problems = [] if program else ["no ctr on PATH"]
    found: dict[Path, Containerd] = {}
    for address in ((socket,) if socket else runtimes.CONTAINERD_SOCKETS) if program else ():
        problem = runtimes.silence(address, ping.GRPC)
        if problem is None:
            found.setdefault(Path(address).resolve(), Containerd(program or "ctr", address))
        else:
            problems.append(f"{address}: {problem}")
    if not found:
        hint = "Start containerd, or name its socket: --target-socket PATH."
        raise RuntimeUnavailableError("runtime.down", f"containerd: {', '.join(problems)}", hint)
    return list(found.values())


def client(kind: str, socket: str, host: Host) -> tuple[str, ...]:
    """The beginning of the command line of docker or podman."""
    from launcher.runtimes.whales import Whales

    engine = runtimes.choose(runtimes.Wish(kind, socket), host).runtime
    if not isinstance(engine, Whales):
        raise TypeError(kind)
    return (engine.program, *engine.options)
