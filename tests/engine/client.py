# SPDX-License-Identifier: Apache-2.0
"""OpenSSH's own programs, configured for one door as a user would: `Host door`."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from launcher import tcp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.door import DoorCommand

Done = subprocess.CompletedProcess[bytes]


def listens(port: int) -> set[str]:
    """The addresses on which somebody listens on this port."""
    return {each.address for each in tcp.sockets()
            if each.port == port and each.state == tcp.LISTEN}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Client:
    """A user with one key; `config` is an ssh_config that calls the door `door`."""

    config: Path

    @classmethod
    def of(cls, door: DoorCommand, *, key: Path | None = None, name: str = "client") -> Client:
        """A client that knows the open door's host key, and nothing else of this machine."""
        said = door.status()
        known_hosts = door.directory / f"{name}-known_hosts"
        known_hosts.write_text(said["known_hosts"] + "\n")
        config = door.directory / f"{name}-config"
        config.write_text(
            f"Host door\n HostName {said['address']}\n Port {said['port']}\n User {said['user']}\n"
            f" UserKnownHostsFile {known_hosts}\n StrictHostKeyChecking yes\n"
            f"Host *\n IdentityFile {key or door.key}\n IdentitiesOnly yes\n IdentityAgent none\n"
            " BatchMode yes\n ConnectTimeout 20\n"
        )
        return cls(config)

    def argv(self, program: str, *arguments: str) -> tuple[str, ...]:
        return (program, "-F", str(self.config), *arguments)

    def run(
        self, program: str, *arguments: str, stdin: bytes = b"", env: dict[str, str] | None = None
    ) -> Done:
        return subprocess.run(
            self.argv(program, *arguments), input=stdin, capture_output=True, check=False,
            timeout=120, env={**os.environ, **(env or {})},
        )  # fmt: skip

    def ssh(self, command: str, *options: str, stdin: bytes = b"") -> Done:
        return self.run("ssh", *options, "door", command, stdin=stdin)

    @contextmanager
    def forwarding(self, *options: str, port: int) -> Iterator[None]:
        """A connection that runs nothing (-N) and forwards, from the moment `port` listens."""
        argv = self.argv("ssh", "-N", "-o", "ExitOnForwardFailure=yes", *options, "door")
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as child:
            end = time.monotonic() + 30
            while not listens(port):
                assert child.poll() is None
                assert time.monotonic() < end
                time.sleep(0.02)
            try:
                yield
            finally:
                child.terminate()
