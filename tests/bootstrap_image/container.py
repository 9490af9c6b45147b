# SPDX-License-Identifier: Apache-2.0
"""The real image under podman, with a directory as its host, in namespaces of its own.

The launcher shares the host's pid namespace; no test does that with the machine under it.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any, Self

from bootstrap_image import spec
from bootstrap_image.spec import Job, Jobs, Record, Summary
from tools import build_image

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = f"{build_image.BOOTSTRAP.repository}:latest"
_NUMBER = iter(range(1_000_000))


def podman(*arguments: str, limit: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("podman", "--runtime=runc", *arguments),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", timeout=limit, check=False,
        env={**os.environ, "CONTAINERS_CONF": str(build_image.CACHE / "containers.conf")},
    )  # fmt: skip


class Machine:
    """A host that is a directory; `with` removes the container."""

    def __init__(self, place: Path, *options: str) -> None:
        self.place = place
        self.options = options
        self.name = f"test-bootstrap-{os.getpid()}-{next(_NUMBER)}"
        for name in (
            *spec.WRITABLE,
            "/var/lib",
            "/var/log",
            "/host/usr/lib",
            "/host/etc",
            "/run/hatchway/bootstrap/user-data",
        ):
            (place / name.lstrip("/")).mkdir(parents=True, exist_ok=True)
        (place / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (place / "etc/group").write_text("root:x:0:\n")
        (place / "etc/os-release").unlink(missing_ok=True)
        (place / "etc/os-release").symlink_to("../usr/lib/os-release")
        (place / "host/usr/lib/os-release").write_text("ID=stand-in\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        podman("rm", "--force", "--time=5", "--ignore", self.name)

    def write(self, *jobs: Job, **user_data: str | bytes) -> None:
        run = self.place / "run/hatchway/bootstrap"
        for name, data in user_data.items():
            (run / "user-data" / name).write_bytes(
                data if isinstance(data, bytes) else data.encode()
            )
        (run / "jobs.json").write_text(Jobs("i-1", jobs).to_json())

    def arguments(self, *more: str) -> list[str]:
        mounts = [f"--volume={self.place}{name}:{name}" for name in spec.WRITABLE]
        return [
            f"--name={self.name}", "--network=none", "--tmpfs=/tmp:exec,mode=1777",
            *mounts, f"--volume={self.place}/host:/host:ro", *self.options, *more, IMAGE,
        ]  # fmt: skip

    def run(self, *command: str) -> int:
        """To its end; what it printed is in `output`."""
        done = podman("run", "--rm", *self.arguments(), *command)
        self.output = done.stdout
        return done.returncode

    def once(self, data: str | bytes, **options: Any) -> Record:
        self.write(Job("one", "user-data/one", **options), one=data)
        self.status = self.run()
        records = self.records()
        assert len(records) == 1, self.output
        return records[0]

    def records(self) -> list[Record]:
        found = sorted((self.place / "var/lib/hatchway/bootstrap").glob("steps/*/*/*.json"))
        return [Record.from_json(path.read_text()) for path in found]

    def summary(self) -> Summary:
        path = self.place / "var/lib/hatchway/bootstrap/summary.json"
        return Summary.from_json(path.read_text())
