# SPDX-License-Identifier: Apache-2.0
"""The whole door on the reference host: `hatchway` through the agent, ssh from outside."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.engine.door import Finished
from tests.refhost.agent import AgentSilentError
from tests.refhost.machine import MachineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from tests.refhost.agent import Completed
    from tests.refhost.machine import Machine
    from tests.refhost.registry import Registry

HATCHWAY: Final = "/opt/hatchway/hatchway"
# Of a start that pulls: a minute on an idle machine.
START_LIMIT: Final = 240.0
CONTAINERD: Final = "/run/containerd/containerd.sock"


@dataclasses.dataclass(frozen=True, slots=True)
class HostDoor:
    """`hatchway` on the reference host; `directory` is the ssh client's."""

    machine: Machine
    source: Registry
    key: Path
    directory: Path

    def hatchway(self, *argv: str, stdin: str = "", env: dict[str, str] | None = None) -> Finished:
        given = stdin.encode() or None
        done = self.machine.exec((HATCHWAY, *argv), input=given, env=env, timeout=START_LIMIT)
        return _finished(done)

    def start(self, *more: str, env: dict[str, str] | None = None) -> Finished:
        """`admin start` as a cloud assistant gives it: the key on stdin, JSON back."""
        public = Path(f"{self.key}.pub").read_text()
        argv = ("admin", "start", "--key-file", "-", "--output", "json", *more)
        return self.hatchway(*argv, stdin=public, env=env)

    def open(self, *more: str) -> dict[str, Any]:
        """Start, which must work, and keep the line for known_hosts."""
        started = self.start(*more)
        assert started.status == 0, started.stdout + started.stderr
        door = started.json()
        (self.directory / "known_hosts").write_text(f"{door['known_hosts']}\n")
        return door

    def close(self) -> None:
        stopped = self.hatchway("admin", "stop")
        assert stopped.status == 0, stopped.stderr

    def status(self) -> dict[str, Any]:
        return self.hatchway("admin", "status", "--output", "json").json()

    def ssh_argv(self, *command: str, options: Sequence[str] = ()) -> tuple[str, ...]:
        """Strict about the host key; only the address is another from here."""
        alias = (self.directory / "known_hosts").read_text().split()[0]
        known = f"UserKnownHostsFile={self.directory / 'known_hosts'}"
        strict = ("-oStrictHostKeyChecking=yes", "-oBatchMode=yes", f"-oHostKeyAlias={alias}")
        where = (f"-o{known}", f"-i{self.key}", f"-p{self.machine.ssh_port}", "admin@127.0.0.1")
        return ("ssh", "-Fnone", *options, *strict, *where, *command)

    def ssh(self, *command: str, stdin: str = "", options: Sequence[str] = ()) -> Finished:
        done = subprocess.run(
            self.ssh_argv(*command, options=options), input=stdin, capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip
        return Finished(done.returncode, done.stdout, done.stderr)

    def succeeds(self, *argv: str) -> bool:
        """Tell whether a command of the host succeeds."""
        return self.machine.exec(argv).status == 0

    def ctr(self, *argv: str, socket: str = CONTAINERD, namespace: str = "hatchway") -> str:
        return self.machine.run(("ctr", "--address", socket, "--namespace", namespace, *argv))

    @contextlib.contextmanager
    def starting(self, *more: str, until: Sequence[str]) -> Iterator[Future[Finished]]:
        """Start in the background, and go on as soon as the command `until` succeeds."""
        with ThreadPoolExecutor(1) as pool:
            started = pool.submit(self.start, *more)
            while not self.succeeds(*until):
                assert not started.done(), f"it ended before {until}: {started.result()}"
                time.sleep(0.02)
            yield started
            # Killed, or without power: its end is what the test is about.
            with contextlib.suppress(AgentSilentError, MachineError):
                started.result()

    def kill_launcher(self) -> None:
        self.machine.run(["pkill", "--signal", "KILL", "--full", f"^{HATCHWAY} admin start"])


def _finished(done: Completed) -> Finished:
    return Finished(done.status, done.stdout.decode(), done.stderr.decode())
