# SPDX-License-Identifier: Apache-2.0
"""A host in a directory: modules write there, and the programs that they ask for are noted."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from bootstrap_image.host import Host, ModuleError
from bootstrap_image.modules import BY_NAME
from bootstrap_image.plan import plan
from bootstrap_image.spec import SHARED

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class StandIn(Host):
    """`answers` gives what a program prints, by its first words; others print nothing."""

    def __init__(self, root: Path) -> None:
        super().__init__(os.fspath(root))
        self.root = root
        self.ran: list[str] = []
        self.given: list[str] = []
        self.said: list[str] = []
        self.answers: dict[str, str] = {}
        self.failing = ""
        for name in ("etc", "opt", "var", "run", "mnt", "host/usr/lib/systemd/system", "proc/self"):
            (root / name).mkdir(parents=True)
        self.mounted()

    def run(self, *argv: str, given: str | None = None, ok: Iterable[int] = (0,)) -> str:  # noqa: ARG002 - of the real one
        line = " ".join(argv)
        self.ran.append(line)
        self.given += [given] if given else []
        if self.failing and line.startswith(self.failing):
            raise ModuleError(f"{argv[0]} failed with 1")
        return next((text for words, text in self.answers.items() if line.startswith(words)), "")

    def say(self, message: str) -> None:
        self.said.append(message)

    def mounted(self, *lines: str) -> None:
        """What is mounted besides the host's directories: in the container they are mounts too."""
        own = [f"{number} 1 254:9 {place} {place} rw shared:1 - ext4 /dev/vda9 rw"
               for number, place in enumerate(SHARED, 100)]  # fmt: skip
        self.put("proc/self/mountinfo", "".join(f"{line}\n" for line in [*own, *lines]))

    def text(self, name: str) -> str:
        return (self.root / name).read_text()

    def put(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)


def do(text: str, host: StandIn) -> None:
    """Have the modules do what this cloud-config asks for."""
    for step in plan(b"#cloud-config\n" + text.encode()).steps:
        given = json.loads(step.content)
        BY_NAME[given["module"]].act(given["params"], host)
