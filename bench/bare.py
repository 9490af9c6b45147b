# SPDX-License-Identifier: Apache-2.0
"""The peer of `admin start`: the engine alone runs plain sshd from the same image."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import tarfile
from typing import TYPE_CHECKING, Final

from launcher import runtimes
from launcher.host import Host
from launcher.runtimes import Wish

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME: Final = "hatchway-bench"
PLACE: Final = "/bench"  # in the container
_CONFIG: Final = """\
Port {port}
ListenAddress 127.0.0.1
HostKey /bench/host_key
AuthorizedKeysFile /bench/keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
UseDNS no
PidFile none
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Bare:
    """An engine's own commands for: run, end, and enter the admin container."""

    run: tuple[str, ...]
    end: tuple[tuple[str, ...], ...]
    enter: tuple[str, ...]


def prepare(place: Path, *, port: int) -> Path:
    """Sshd's settings and keys, and a client's key, whose path is returned."""
    for name in ("host_key", "client"):
        argv = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / name))
        subprocess.run(argv, check=True)
    (place / "keys").write_text((place / "client.pub").read_text())
    (place / "config").write_text(_CONFIG.format(port=port))
    return place / "client"


def commands(engine: str, flags: tuple[str, ...], image: str, place: Path) -> Bare:
    """What one would type; `flags` are Hatchway's, which lead to the engine."""
    given = dict(zip(flags[::2], flags[1::2], strict=True))
    if engine == "containerd":
        return _containerd(given["--socket"], image, place)
    chosen = runtimes.choose(Wish(engine, given.get("--socket", "")), Host.read()).runtime
    client = (chosen.program, *chosen.options)  # type: ignore[attr-defined] # of Whales
    options = ("--detach", "--rm", "--name", NAME, "--network", "host", *limits())
    volume = ("--volume", f"{place}:{PLACE}:ro", "--entrypoint", "/usr/sbin/sshd")
    return Bare(
        (*client, "run", *options, *volume, image, "-D", "-f", f"{PLACE}/config"),
        ((*client, "rm", "--force", NAME),),
        (*client, "exec", "hatchway-admin"),
    )


def _containerd(socket: str, image: str, place: Path) -> Bare:
    ctr = ("ctr", "--address", socket, "--namespace", "hatchway")
    mount = f"type=bind,src={place},dst={PLACE},options=rbind:ro"
    # ctr mounts an empty /run, without the directory that sshd asks for.
    mounts = ("--mount", mount, "--mount", "type=tmpfs,dst=/run/sshd,options=mode=755")
    run = (*ctr, "run", "--detach", "--null-io", "--net-host", *mounts, image, NAME)
    kill = (*ctr, "tasks", "kill", "--signal", "SIGKILL", NAME)
    remove = (
        (*ctr, "tasks", "rm", "--force", NAME),
        (*ctr, "containers", "rm", NAME),
        (*ctr, "snapshots", "rm", NAME),
    )
    enter = (*ctr, "tasks", "exec", "--exec-id", "bench", "hatchway-admin")
    return Bare((*run, "/usr/sbin/sshd", "-D", "-f", f"{PLACE}/config"), (kill, *remove), enter)


def limits() -> tuple[str, ...]:
    """No more than we may give: engines ask for more by themselves."""
    host = Host.read()
    found = {"nofile": host.nofile, "nproc": host.nproc}
    return tuple(f"--ulimit={name}={top}:{top}" for name, top in found.items() if top is not None)


def without_entrypoint(archive: Path, target: Path, name: str) -> None:
    """The same layers under another name: `ctr run` cannot replace an image's entry point."""
    with tarfile.open(archive) as source, tarfile.open(target, "w") as sink:
        (listed,) = json.loads(_read(source, "manifest.json"))
        config = json.loads(_read(source, listed["Config"]))
        config["config"].pop("Entrypoint", None)
        changed = {"config.json": config, "manifest.json": [
            {"Config": "config.json", "RepoTags": [name], "Layers": listed["Layers"]}
        ]}  # fmt: skip
        _write(sink, changed)
        for layer in dict.fromkeys(listed["Layers"]):
            member = source.getmember(layer)
            sink.addfile(member, source.extractfile(member))


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    stream = archive.extractfile(name)
    return stream.read() if stream else b""


def _write(sink: tarfile.TarFile, files: Mapping[str, object]) -> None:
    for name, value in files.items():
        content = json.dumps(value).encode()
        member = tarfile.TarInfo(name)
        member.size = len(content)
        sink.addfile(member, io.BytesIO(content))
