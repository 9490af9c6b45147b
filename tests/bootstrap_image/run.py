# SPDX-License-Identifier: Apache-2.0
"""The runner in a process of its own, in directories of a test: no container is needed for that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bootstrap_image.spec import Job, Jobs, Record, Summary

ROOT = Path(__file__).resolve().parents[2]
_MAIN = """
import json, sys
from bootstrap_image.runner import Places, main
sys.exit(main(Places(**json.loads(sys.argv[1]))))
"""


class Run:
    """One host's directories, and what is run with them."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.before: tuple[str, ...] = ()  # a program that becomes the runner
        self.places = {
            "run": f"{place}/run/hatchway/bootstrap",
            "state": f"{place}/lib/hatchway/bootstrap",
            "log": f"{place}/log/bootstrap.log",
            "scripts": f"{place}/scripts",
            "host": "",
        }
        for name in ("run/hatchway/bootstrap/user-data", "lib", "log"):
            (place / name).mkdir(parents=True, mode=0o755)

    def write(self, *jobs: Job, instance: str = "i-1", **user_data: str | bytes) -> None:
        run = Path(self.places["run"])
        for name, data in user_data.items():
            (run / "user-data" / name).write_bytes(
                data if isinstance(data, bytes) else data.encode()
            )
        (run / "jobs.json").write_text(Jobs(instance, jobs, {"MY_PROXY": "s3cret"}).to_json())

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            (*self.before, sys.executable, "-c", _MAIN, json.dumps(self.places)),
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self) -> int:
        with self.start() as process:
            return process.wait(240)

    def once(self, data: str | bytes, **options: Any) -> Record:
        """Run one job of one step; its record."""
        self.write(Job("one", "user-data/one", **options), one=data)
        self.status = self.run()
        return self.records()[0]

    def shutdown(self) -> str:
        """What the step at hand may ask for, or has asked."""
        try:
            return Path(self.places["scripts"], ".shutdown").read_text()
        except FileNotFoundError:
            return ""

    def records(self) -> list[Record]:
        found = sorted(Path(self.places["state"]).glob("steps/*/*/*.json"))
        return [Record.from_json(path.read_text()) for path in found]

    def summary(self) -> Summary:
        return Summary.from_json(Path(self.places["state"], "summary.json").read_text())

    def log(self) -> str:
        return Path(self.places["log"]).read_text(errors="replace")


def alive(words: str) -> bool:
    """Whether a process with this command line lives."""
    for name in os.listdir("/proc"):  # noqa: PTH208 - hundreds of names
        if name.isdigit():
            try:
                line = Path("/proc", name, "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if line.strip() == words:
                return True
    return False
