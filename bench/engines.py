# SPDX-License-Identifier: Apache-2.0
"""What an engine is there for: from closed to the first SSH command, and a command inside."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import bare, contest, programs
from tests.engine import conftest as engines
from tests.engine.door import free_port
from tools import build_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.bare import Bare
    from bench.contest import Attempt, Line

PLAIN: Final = "localhost/hatchway-bench:1"
FIRST_COMMAND_LIMIT: Final = 60.0
_NEEDED: Final = {
    "podman": (engines.podman, "podman"),
    "docker": (engines.docker, "dockerd"),
    "containerd": (engines.containerd, "containerd"),
}


def measure(name: str, *, rounds: int) -> Iterator[Line]:
    """Both contests on one engine; RuntimeError when it does not work here."""
    opener, program = _NEEDED[name]
    if not shutil.which(program):
        raise RuntimeError(f"no {program} on PATH")
    # Below /run, and short: the sockets of containerd's shims must fit into 108 bytes.
    with contextlib.ExitStack() as stack:
        place = Path(tempfile.mkdtemp(prefix="hw-", dir="/run"))
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        flags = stack.enter_context(opener(place))
        engine = _Engine(name, flags, place / "bench")
        engine.prepare()
        stack.callback(engine.close)
        yield from contest.hold(f"first SSH command, {name}", engine.starts(), rounds=rounds)
        yield from contest.hold(f"exec true, {name}", engine.executions(), rounds=rounds)


class _Engine:
    def __init__(self, name: str, flags: tuple[str, ...], place: Path) -> None:
        self._name, self._flags, self._place = name, flags, place
        self._port = free_port()
        self._env = programs.environment()
        self._hatchway = next(iter(programs.found().values()))
        self._image = f"{build_image.NAME}:{build_image.version()}"

    def prepare(self) -> None:
        self._place.mkdir()
        self._key = bare.prepare(self._place, port=self._port)
        self._run("image", "load", str(build_image.ARCHIVE), *self._flags)
        if self._name == "containerd":
            archive = self._place / "plain.tar"
            bare.without_entrypoint(build_image.ARCHIVE, archive, PLAIN)
            self._run("image", "load", str(archive), "--name", PLAIN, *self._flags)
            archive.unlink()
            self._image = PLAIN
        self.close()

    def close(self) -> None:
        self._run("admin", "stop", *self._flags)

    def starts(self) -> dict[str, Attempt]:
        peer = self._bare()
        ours = {name: self._started(program) for name, program in programs.found().items()}
        return {f"{self._name} run, plain sshd": self._started_bare(peer), **ours}

    def executions(self) -> dict[str, Attempt]:
        """Into one open door, opened here."""
        self._run(*self._start())
        ours = {
            name: contest.command(program, "admin", "exec", "true", env=self._env)
            for name, program in programs.found().items()
        }
        enter = (*self._bare().enter, "true")
        return {f"{self._name} exec": contest.command(*enter, env=self._env), **ours}

    def _bare(self) -> Bare:
        return bare.commands(self._name, self._flags, self._image, self._place)

    def _started(self, program: str) -> Attempt:
        def attempt() -> float:
            start = time.monotonic()
            try:
                contest.run(program, *self._start(), env=self._env)
                contest.run(*self._ssh("admin"), env=self._env)
                return time.monotonic() - start
            finally:
                self.close()

        return attempt

    def _started_bare(self, peer: Bare) -> Attempt:
        def attempt() -> float:
            start = time.monotonic()
            try:
                contest.run(*peer.run, env=self._env)
                while subprocess.run(
                    self._ssh("root"), check=False, capture_output=True
                ).returncode:
                    if time.monotonic() - start > FIRST_COMMAND_LIMIT:
                        raise RuntimeError(f"{self._name}: plain sshd lets nobody in")
                return time.monotonic() - start
            finally:
                for argv in peer.end:
                    subprocess.run(argv, check=False, capture_output=True)

        return attempt

    def _start(self) -> tuple[str, ...]:
        listen = ("--listen", f"127.0.0.1:{self._port}", "--output", "json", "--quiet")
        return ("admin", "start", "--key-file", f"{self._key}.pub", *listen, *self._flags)

    def _ssh(self, user: str) -> tuple[str, ...]:
        options = (
            "-F", "none", "-i", str(self._key), "-p", str(self._port), "-o", "BatchMode=yes",
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
        )  # fmt: skip
        return ("ssh", *options, f"{user}@127.0.0.1", "true")

    def _run(self, *arguments: str) -> None:
        contest.run(self._hatchway, *arguments, env=self._env)
