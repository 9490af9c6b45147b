# SPDX-License-Identifier: Apache-2.0
"""Containers to be looked into, started by their engine's own client.

All that can be seen of one from outside is in its `snapshot`: files, mounts, processes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import stat
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.engine.toolbox import eventually
from tools import build_image

if TYPE_CHECKING:
    from collections.abc import Iterator

# One static program, no shell, no directory.
SCRATCH = "localhost/scratch:1"
PROGRAM = "sleep"


@dataclasses.dataclass(frozen=True)
class Target:
    """A running container; `uri` names it for `--target`."""

    uri: str
    pid: int
    client: tuple[str, ...]
    name: str

    def root(self, place: str = "/") -> Path:
        return Path(f"/proc/{self.pid}/root{place}")

    def pause(self) -> None:
        said(*self.client, *(("tasks",) if "ctr" in self.client else ()), "pause", self.name)

    def resume(self) -> None:
        words = ("tasks", "resume") if "ctr" in self.client else ("unpause",)
        said(*self.client, *words, self.name)

    def mounts(self) -> str:
        return Path(f"/proc/{self.pid}/mountinfo").read_text()

    def snapshot(self) -> dict[str, Any]:
        """All of it: two that are equal were not touched in between."""
        return {
            "mounts": self.mounts(),
            "files": files(self.root()),
            "beside": beside(self.pid),
        }


def files(root: Path) -> dict[str, tuple[Any, ...]]:
    """Every file below a root but those of /proc and /sys, with what a touch would change."""
    found = {}
    for directory, names, others in os.walk(f"{root}/"):
        if directory == f"{root}/":
            names[:] = [name for name in names if name not in {"proc", "sys"}]
        for name in (".", *others):
            path = Path(directory, name)
            facts = path.lstat()
            content = b""
            if stat.S_ISREG(facts.st_mode):
                content = hashlib.sha256(path.read_bytes()).digest()
            found[os.path.relpath(path, root)] = (
                facts.st_mode, facts.st_uid, facts.st_gid, facts.st_mtime_ns, facts.st_ctime_ns,
                facts.st_nlink, facts.st_size, content,
            )  # fmt: skip
    return found


def beside(pid: int) -> set[tuple[str, int]]:
    """Processes that share a namespace of their own with it, or its cgroup."""
    found = set()
    ours = {kind: namespace("self", kind) for kind in ("pid", "net", "ipc", "mnt")}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for kind, own in ours.items():
                theirs = namespace(pid, kind)
                if theirs != own and namespace(path.name, kind) == theirs:
                    found.add((kind, int(path.name)))
            if (path / "cgroup").read_text() == Path(f"/proc/{pid}/cgroup").read_text():
                found.add(("cgroup", int(path.name)))
    return found


def namespace(pid: int | str, kind: str) -> str:
    return str(Path(f"/proc/{pid}/ns/{kind}").readlink())


def said(*argv: str) -> str:
    # This machine may not raise what podman raises by itself.
    environment = {**os.environ, "CONTAINERS_CONF": str(build_image.CACHE / "containers.conf")}
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=60, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextlib.contextmanager
def podman(*options: str, image: str = SCRATCH, command: tuple[str, ...] = ()) -> Iterator[Target]:
    yield from _docker_like(("podman", "--runtime=runc"), "podman", options, image, command)


@contextlib.contextmanager
def docker(
    socket: str, *options: str, image: str = SCRATCH, command: tuple[str, ...] = ()
) -> Iterator[Target]:
    client = ("docker", "-H", f"unix://{socket}")
    yield from _docker_like(client, "docker", options, image, command)


def _docker_like(
    client: tuple[str, ...],
    scheme: str,
    options: tuple[str, ...],
    image: str,
    command: tuple[str, ...],
) -> Iterator[Target]:
    name = f"target-{uuid.uuid4().hex[:8]}"
    said(
        *client, "run", "--detach", "--name", name, "--network=none", *options, image,
        *(command or (f"/{PROGRAM}", "100000")),
    )  # fmt: skip
    try:
        pid = int(said(*client, "inspect", "--format", "{{.State.Pid}}", name))
        yield Target(f"{scheme}://{name}", pid, client, name)
    finally:
        # As PID 1 it heeds no SIGTERM, and podman would wait for ten seconds. Its own cleaning up
        # after what ended may come between, and make a first try fail.
        now = ("--time=0",) if scheme == "podman" else ()
        remove = (*client, "rm", "--force", *now, name)
        if subprocess.run(remove, capture_output=True, check=False).returncode:
            said(*remove)


@contextlib.contextmanager
def containerd(
    socket: str, *options: str, namespace: str = "k8s.io", image: str = SCRATCH
) -> Iterator[Target]:
    client = ("ctr", "--address", socket, "--namespace", namespace)
    name = f"target-{uuid.uuid4().hex[:8]}"
    said(*client, "run", "--detach", "--null-io", *options, image, name, f"/{PROGRAM}", "100000")
    try:
        tasks = [line.split() for line in said(*client, "tasks", "ls").splitlines()[1:]]
        pid = next(int(words[1]) for words in tasks if words[0] == name)
        yield Target(f"containerd://{namespace}/{name}", pid, client, name)
    finally:
        subprocess.run((*client, "tasks", "rm", "--force", name), capture_output=True, check=False)
        eventually(lambda: name not in said(*client, "tasks", "ls"))
        subprocess.run((*client, "containers", "rm", name), capture_output=True, check=False)
