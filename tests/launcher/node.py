# SPDX-License-Identifier: Apache-2.0
"""A node in a directory: the launcher's places lead there, and its engine runs the real runner.

The container of the bootstrap image is a process here, for what is tried is when it is started,
what it is given, and what becomes of what it leaves.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from bootstrap_image import spec
from launcher.bootstrap import gathering, results, running
from launcher.errors import ImageError
from launcher.monitor import SilentMonitor
from launcher.runtimes.base import Container, Image, State
from launcher.settings import Bootstrap, BootstrapSettings, Settings
from tests.launcher.test_profiles import HOST

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from bootstrap_image.spec import Summary
    from launcher.bootstrap.context import Request
    from launcher.plan import Plan
    from launcher.runtimes.base import Runtime

IMAGE = "localhost/hatchway-bootstrap:1"
_ROOT = Path(__file__).resolve().parents[2]
_MAIN = """
import json, sys, time
from bootstrap_image.runner import Places, main
true = time.time
time.time = lambda: true() + float(sys.argv[2])
sys.exit(main(Places(**json.loads(sys.argv[1]))))
"""
_DIES = "raise SystemExit(137)"


class Engine:
    """What the launcher asks of an engine; `started` are the containers that it started.

    In a container the clock is `skew` seconds off; one that `dies` does nothing before it does.
    """

    name = "stand-in"

    def __init__(self, places: dict[str, str]) -> None:
        self.started: list[Plan] = []
        self.removed = 0
        self.skew = 0.0
        self.dies = False
        self._places = places
        self._running: subprocess.Popen[bytes] | None = None

    def within(self, _deadline: object) -> Self:
        return self

    def start(self, plan: Plan) -> Container:
        self.started.append(plan)
        main = _DIES if self.dies else _MAIN
        self._running = subprocess.Popen(
            (sys.executable, "-c", main, json.dumps(self._places), str(self.skew)), cwd=_ROOT,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return Container(plan.name, plan.name, State.RUNNING, self._running.pid)

    def remove(self, name: str, *, grace: float, late: bool = False) -> bool:
        del name, grace, late
        self.removed += 1
        if self._running is None:
            return False
        self._running.terminate()
        self._running.wait(30)
        self._running = None
        return True


class Node:
    """One machine and its settings; `instance` is the id that its metadata service would give."""

    def __init__(self, place: Path, patch: pytest.MonkeyPatch) -> None:
        self.place = place
        self.state = place / "lib/hatchway/bootstrap"
        self.log = place / "log/bootstrap.log"
        run = place / "run/hatchway/bootstrap"
        for name in ("run", "lib"):
            (place / name).mkdir()
        changed = {
            "RUN": run, "JOBS_FILE": run / "jobs.json", "PROGRESS_FILE": run / "progress.json",
            "STATE": self.state, "STEPS": self.state / "steps",
            "SUMMARY_FILE": self.state / "summary.json",
            "KEYS_FILE": self.state / "authorized_keys",
            "LOG": self.log.parent, "LOG_FILE": self.log,
        }  # fmt: skip
        for name, path in changed.items():
            patch.setattr(spec, name, str(path))
        patch.setattr(results, "LOCK", place / "run/hatchway/bootstrap.lock")
        self.instance = "i-1"
        self.host = HOST
        self.shown: list[str] = []
        self.images = {IMAGE: Image(IMAGE, "sha256:1", "", {spec.CONTRACT_LABEL: "1"})}
        self.engine = Engine({
            "run": str(run), "state": str(self.state), "log": str(self.log),
            "scripts": f"{place}/scripts", "host": "",
        })  # fmt: skip

    def boot(self, *names: str, **jobs: Bootstrap) -> tuple[Summary, ...]:
        """What `bootstrap run` does, with these jobs in the settings."""
        own = BootstrapSettings(source="none", image=IMAGE)
        settings = Settings(bootstrap=own, bootstrap_containers=jobs)
        gathered = gathering.gather(settings, names)
        gathered = gathering.Gathered(gathered.batches, self.instance, "nocloud")
        return self.run(gathering.request(settings, gathered))

    def run(self, request: Request) -> tuple[Summary, ...]:
        return running.run(
            request, self.host, runtime=self._choose, ensure=self._ensure,
            find=self._find, monitor=SilentMonitor(), show=self.shown.append,
        )  # fmt: skip

    def _choose(self) -> Runtime:
        engine: Any = self.engine
        assert engine is not None, "no engine was to be asked"
        chosen: Runtime = engine
        return chosen

    def _find(self, name: str, runtime: Runtime) -> Image | None:
        del runtime
        return self.images.get(name)

    def _ensure(self, name: str, runtime: Runtime, limit: float) -> Image:
        del runtime, limit
        if name not in self.images:
            raise ImageError("image.missing", f"{name} is not here")
        return self.images[name]

    def without_engine(self) -> None:
        """From now on nobody may ask one."""
        self.engine = None  # type: ignore[assignment]

    def files(self) -> Iterable[Path]:
        """All that was written but for what the scripts wrote."""
        return (path for path in self.place.rglob("*") if path.is_file())


def job(script: str, *, mode: Any = "once", **more: Any) -> Bootstrap:
    """A job of the settings that is this script, or whatever else the text is."""
    text = script if script.startswith("#") else f"#!/bin/sh\n{script}\n"
    encoded = base64.b64encode(text.encode()).decode()
    return Bootstrap(source=IMAGE, mode=mode, user_data=encoded, **more)


def until(condition: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
