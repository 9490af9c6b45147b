# SPDX-License-Identifier: Apache-2.0
"""The real image under podman, started as the launcher starts it, on a port of the loopback."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from admin_image import spec
from admin_image.spec import DoorSpec, Phase
from tools import build_image

IMAGE = f"{build_image.NAME}:latest"


def podman(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(
        ("podman", "--runtime=runc", *arguments),
        capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, check=False,
        env={**os.environ, "CONTAINERS_CONF": str(build_image.CACHE / "containers.conf")},
    )  # fmt: skip
    if check:
        assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Door:
    """One admin container; `with` removes it."""

    def __init__(self, place: Path, door: DoorSpec | None = None) -> None:
        self.place = place
        self.name = f"test-{place.name}-{os.getpid()}"
        wanted = door or DoorSpec()
        self.spec = dataclasses.replace(wanted, listen="127.0.0.1", port=free_port())
        self.options: tuple[str, ...] = ("--pid=host",)
        self.host = Path("/")
        for name in ("run", "state", "log"):
            (place / name).mkdir(parents=True, exist_ok=True)
        (place / "run").chmod(0o755)
        self.key = place / "id"
        if not self.key.exists():
            keygen("-t", "ed25519", "-N", "", "-f", str(self.key))
        self.write("authorized_keys", self.key.with_suffix(".pub").read_text())

    def __enter__(self) -> Self:
        self.write("spec.json", self.spec.to_json())
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        podman("rm", "--force", "--time=5", "--ignore", self.name)

    def write(self, name: str, text: str) -> None:
        (self.place / "run" / name).write_text(text)

    def start(self) -> None:
        mounts = {
            spec.HOST: f"{self.host}:{spec.HOST}:rbind,ro,rslave",
            "/dev": "/dev:/dev:rbind",
            "/sys": "/sys:/sys:rbind",
            spec.RUN: f"{self.place}/run:{spec.RUN}",
            spec.STATE: f"{self.place}/state:{spec.STATE}",
            spec.LOG: f"{self.place}/log:{spec.LOG}",
        }
        podman(
            "run", "--detach", f"--name={self.name}", "--privileged",
            "--network=host", "--ipc=host", "--uts=host", *self.options,
            *(f"--volume={mount}" for mount in mounts.values()), IMAGE,
        )  # fmt: skip

    def phase(self, *, wait: float = 20.0) -> Phase:
        """The first one that is final."""
        end = time.monotonic() + wait
        while time.monotonic() < end:
            try:
                phase = Phase.from_json((self.place / "run/phase.json").read_text())
            except FileNotFoundError:
                phase = Phase("none", 0)
            if phase.phase in ("open", "failed"):
                return phase
            time.sleep(0.01)
        raise AssertionError(podman("logs", self.name, check=False))

    def logs(self) -> str:
        log = self.place / "log/admin.log"
        return podman("logs", self.name) + (log.read_text() if log.exists() else "")

    def exit_status(self) -> int:
        return int(podman("wait", self.name).split()[0])

    def options_of_ssh(self, *, key: Path | None = None) -> tuple[str, ...]:
        words = (
            "IdentitiesOnly=yes",
            "BatchMode=yes",
            "StrictHostKeyChecking=accept-new",
            f"UserKnownHostsFile={self.place}/known_hosts",
            "LogLevel=ERROR",
        )
        return ("-F", "none", "-i", str(key or self.key), *(f"-o{word}" for word in words))

    def ssh_command(self, *words: str, options: tuple[str, ...] = ()) -> tuple[str, ...]:
        where = (f"-p{self.spec.port}", f"{self.spec.user}@127.0.0.1")
        return ("ssh", *self.options_of_ssh(), *options, *where, *words)

    def ssh(
        self, *words: str, options: tuple[str, ...] = (), given: str = ""
    ) -> subprocess.CompletedProcess[str]:
        command = self.ssh_command(*words, options=options)
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            input=given,
            timeout=60,
            check=False,
        )

    def execute(self, *command: str) -> str:
        return podman("exec", self.name, *command)


def keygen(*arguments: str) -> None:
    subprocess.run(
        ("ssh-keygen", "-q", *arguments), check=True, timeout=30, stdin=subprocess.DEVNULL
    )


def as_json(text: str) -> object:
    return json.loads(text)
