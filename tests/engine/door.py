# SPDX-License-Identifier: Apache-2.0
"""The command `hatchway` as a test drives it: one engine, one loopback port, real ssh."""

from __future__ import annotations

import dataclasses
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAM = str(Path(sys.executable).parent / "hatchway")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclasses.dataclass(frozen=True)
class Finished:
    """What a command gave back."""

    status: int
    stdout: str
    stderr: str

    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.stdout)
        return value

    def code(self) -> str:
        """The code of the error that it printed as JSON."""
        return str(self.json()["error"]["code"])


@dataclasses.dataclass(frozen=True)
class DoorCommand:
    """`hatchway admin` against one engine."""

    engine: str
    flags: tuple[str, ...]
    key: Path
    directory: Path
    port: int = dataclasses.field(default_factory=free_port)

    def hatchway(self, *argv: str, stdin: str = "", timeout: float = 120) -> Finished:
        done = subprocess.run(
            (PROGRAM, *argv), input=stdin, capture_output=True, text=True, check=False,
            timeout=timeout,
        )  # fmt: skip
        return Finished(done.returncode, done.stdout, done.stderr)

    def start_argv(self, *more: str) -> tuple[str, ...]:
        return (
            PROGRAM, "admin", "start", "--key-file", f"{self.key}.pub",
            "--listen", f"127.0.0.1:{self.port}", "--output", "json", *self.flags, *more,
        )  # fmt: skip

    def start(self, *more: str, stdin: str = "") -> Finished:
        return self.hatchway(*self.start_argv(*more)[1:], stdin=stdin)

    def stop(self) -> Finished:
        return self.hatchway("admin", "stop", "--output", "json", *self.flags)

    def status(self) -> dict[str, Any]:
        return self.hatchway("admin", "status", "--output", "json").json()

    def ssh_options(self, known_hosts: str) -> tuple[str, ...]:
        file = self.directory / "known_hosts"
        file.write_text(known_hosts + "\n")
        return (
            "-F", "none", "-i", str(self.key), "-o", f"UserKnownHostsFile={file}",
            "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10",
        )  # fmt: skip

    def ssh(self, *command: str, stdin: str = "", options: tuple[str, ...] = ()) -> Finished:
        door = self.status()
        argv = (
            "ssh", *self.ssh_options(door["known_hosts"]), *options,
            "-p", str(door["port"]), f"{door['user']}@{door['address']}", *command,
        )  # fmt: skip
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, check=False, timeout=60
        )
        return Finished(done.returncode, done.stdout, done.stderr)
