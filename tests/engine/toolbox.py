# SPDX-License-Identifier: Apache-2.0
"""`hatchway toolbox` as a test drives it, and what it may have left."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import subprocess
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect

from launcher import proc
from launcher.proc import Process
from tests.engine.door import PROGRAM, Finished

if TYPE_CHECKING:
    from collections.abc import Callable

BUSYBOX = Path("/usr/bin/busybox")
RUN = Path("/run/hatchway/toolbox")
# Seconds until the client of a command that has begun hands signals on to it: before that, one
# ends the client itself. Though the launcher keeps signals back until the engine says that the
# command runs, some clients listen only a moment later, and ctrl-C at a terminal is nobody's to
# keep back. On a machine with much to do the moment is long.
CLIENT_LISTENS = 2.5
TAKES_FLAGS = ("run", "enter")


@dataclasses.dataclass(frozen=True)
class Toolbox:
    """One engine; `flags` lead to it."""

    engine: str
    flags: tuple[str, ...]

    def argv(self, verb: str, *arguments: str) -> tuple[str, ...]:
        flags = self.flags if verb in TAKES_FLAGS else ()
        return (PROGRAM, "toolbox", verb, *flags, *arguments)

    def call(
        self, verb: str, *arguments: str, stdin: str = "", env: dict[str, str] | None = None,
        timeout: float = 120,
    ) -> Finished:  # fmt: skip
        done = subprocess.run(
            self.argv(verb, *arguments), input=stdin, capture_output=True, text=True, check=False,
            timeout=timeout, env={**os.environ, **(env or {})},
        )  # fmt: skip
        return Finished(done.returncode, done.stdout, done.stderr)

    def call_bytes(self, verb: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.argv(verb, *arguments), stdin=subprocess.DEVNULL, capture_output=True,
            check=False, timeout=120,
        )  # fmt: skip

    def run(self, *arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> Finished:
        return self.call("run", *arguments, stdin=stdin, env=env)

    def start(self, *arguments: str, verb: str = "run") -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.argv(verb, *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def on_terminal(self, verb: str, *arguments: str) -> pexpect.spawn[str]:
        program, *rest = self.argv(verb, *arguments)
        return pexpect.spawn(program, rest, encoding="utf-8", timeout=30, dimensions=(33, 101))

    def load(self, archive: Path) -> None:
        """Take the image of that archive, whatever another test has left under its name."""
        with tarfile.open(archive) as tar:
            member = tar.extractfile("manifest.json")
            assert member is not None
            (image,) = json.load(member)
        named = ("--name", image["RepoTags"][0])
        argv = (PROGRAM, "image", "load", str(archive), *named, *self.flags)
        subprocess.run(argv, check=True, capture_output=True)

    def containers(self) -> set[str]:
        """The engine's own word on what it holds of us."""
        if self.engine == "containerd":
            client = ("ctr", "--address", self.flags[-1], "--namespace", "hatchway")
            said = _said(*client, "containers", "ls", "-q") + _said(*client, "snapshots", "ls")
        elif self.engine == "docker":
            said = _said("docker", "-H", f"unix://{self.flags[-1]}", "ps", "-a", "--format",
                         "{{.Names}}")  # fmt: skip
        else:
            said = _said("podman", "ps", "-a", "--external", "--format", "{{.Names}}")
        return {
            word for word in said.split() if word.startswith(("hatchway-toolbox", "hatchway-k"))
        }

    def monitors(self) -> set[int]:
        """The living processes that the engine has beside its containers."""
        name, ours = "conmon", "hatchway-toolbox-"
        if self.engine != "podman":
            name, ours = "containerd-shim-runc-v2", str(Path(self.flags[-1]).parent)
        found = (pid for pid in proc.called(name) if Process.of(pid))
        return {pid for pid in found if any(ours in word for word in proc.arguments(pid))}

    def left(self) -> set[str]:
        """Containers, directories and mounts of toolboxes that nobody keeps."""
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        ours = {point for point in mounts if "hatchway-toolbox-" in point}
        return places() | ours | {n for n in self.containers() if n.startswith("hatchway-toolbox")}


def places() -> set[str]:
    """The ids of toolboxes that are, or were, somebody's."""
    return {path.name for path in RUN.glob("*") if path.is_dir()}


def _said(*argv: str) -> str:
    return subprocess.run(argv, check=False, capture_output=True, text=True).stdout


def eventually(true: Callable[[], bool]) -> bool:
    """Wait for what happens in its own time, for half a minute at most."""
    end = time.monotonic() + 30
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def processes(word: str) -> list[int]:
    """The pids of processes with this word among their arguments, our own tools apart."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if word.encode() in words and b"hatchway" not in words[1] + words[0]:
            found.append(int(path.parent.name))
    return found


def busybox_archive(path: Path, name: str, places: tuple[str, ...], *, user: str = "") -> Path:
    """A docker archive with static busybox at these places, and nothing else at all."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        for place in places:
            tar.add(BUSYBOX, place)
    layer = sink.getvalue()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"User": user, "Env": ["PATH=/bin:/"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    encoded = json.dumps(config).encode()
    digest = hashlib.sha256(encoded).hexdigest()
    manifest = [{"Config": f"{digest}.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    files = {
        f"{digest}.json": encoded,
        "layer.tar": layer,
        "manifest.json": json.dumps(manifest).encode(),
    }
    with tarfile.open(path, "w") as tar:
        for member, content in files.items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path
