# SPDX-License-Identifier: Apache-2.0
"""User data on the reference host: `hatchway bootstrap`, its records, and who gives the data."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import TYPE_CHECKING, Any, Final

from bootstrap_image import spec
from tests.refhost import clouds

if TYPE_CHECKING:
    from pathlib import Path

    from tests.refhost.agent import Completed
    from tests.refhost.machine import Machine

HATCHWAY: Final = "/opt/hatchway/hatchway"
CONFIG: Final = "/etc/hatchway/config.toml"
GATE: Final = "/run/kubelet.started"
RUN_LIMIT: Final = 300.0


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """`services` is what the metadata services say, see `metadata.py`."""

    machine: Machine
    services: Path

    def hatchway(self, *argv: str, limit: float = RUN_LIMIT) -> Completed:
        return self.machine.exec((HATCHWAY, *argv), timeout=limit)

    def run(self, *jobs: str) -> str:
        """Run by hand what must succeed; what was printed."""
        done = self.hatchway("bootstrap", "run", *jobs)
        assert done.status == 0, (done.stdout + done.stderr).decode()
        return done.stdout.decode()

    def status(self, *flags: str) -> dict[str, Any]:
        done = self.hatchway("bootstrap", "status", *flags, "--output", "json")
        assert done.status == 0, done.stderr.decode()
        value: dict[str, Any] = json.loads(done.stdout)
        return value

    def configure(self, text: str) -> None:
        self.machine.write(CONFIG, text.encode())

    def give(self, user_data: bytes | None, *, instance: str, hardened: bool = False) -> None:
        """Have the metadata services say this from now on."""
        files = {
            "user-data": user_data,
            "instance-id": instance.encode(),
            "hardened": b"" if hardened else None,
            "requests": b"",
        }
        for name, content in files.items():
            if content is None:
                (self.services / name).unlink(missing_ok=True)
            else:
                (self.services / name).write_bytes(content)

    def requests(self) -> list[str]:
        return (self.services / "requests").read_text().splitlines()

    def boot(self, *qemu_args: str) -> None:
        """Switch off in order, and on again with other hardware; the services stay."""
        if self.machine.running:
            self.machine.run(("sync",))
            self.machine.power_cut()
        self.machine.boot(qemu_args=[*clouds.services(self.services), *qemu_args])

    def wait_until(self, *argv: str, limit: float = 240.0) -> None:
        """Until a command of the host succeeds, which may only just boot."""
        self.machine.wait_for_agent(limit)
        end = time.monotonic() + limit
        while self.machine.exec(argv).status:
            assert time.monotonic() < end, f"{argv} never succeeded\n{self.machine.console[-4000:]}"
            time.sleep(0.2)

    def changed(self, path: str) -> float:
        """When, in seconds since the epoch."""
        return float(self.machine.run(("stat", "-c", "%.Y", path)))

    def exists(self, path: str) -> bool:
        return self.machine.exec(("test", "-e", path)).status == 0


def statuses(found: dict[str, Any]) -> dict[str, str]:
    """How each step of the last run ended."""
    return {f"{step['job']}/{step['step']}": step["status"] for step in found["last"]["steps"]}


def last_end(found: dict[str, Any]) -> float:
    """When the last step that is on record ended."""
    return max(float(record["started"] + record["duration"]) for record in found["records"])


def kept_files(machine: Machine) -> dict[str, bytes]:
    """Every file below the steps' directory, by its path; half-written ones too."""
    found: dict[str, bytes] = {}
    directory = ""
    for line in machine.exec(("ls", "-RA1p", spec.STEPS)).stdout.decode().splitlines():
        if line.endswith(":"):
            directory = line.removesuffix(":")
        elif line and not line.endswith("/"):
            path = f"{directory}/{line}"
            found[path] = machine.read(path)
    return found
