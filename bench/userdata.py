# SPDX-License-Identifier: Apache-2.0
"""What user data adds to a boot, beside a bare run of the same image.

On the reference host, whose processor is emulated, so that the ratios alone mean anything: each
contender is a oneshot unit, as `hatchway-bootstrap.service` is, and what counts is the time that
systemd notes for it. And the container alone on this machine, without the launcher.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import bare, contest, programs
from bootstrap_image.spec import Job, Mode
from tests.bootstrap_image.container import Machine as Container
from tests.bootstrap_image.container import podman
from tests.refhost.machine import Machine
from tools import build_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.contest import Attempt, Line

HATCHWAY: Final = "/opt/hatchway/hatchway"
CONFIG: Final = "/etc/hatchway/config.toml"
PLAIN: Final = "localhost/hatchway-bench:1"
SCRIPTS: Final = "/opt/scripts"
MANY: Final = 100
SCRIPT: Final = b"#!/bin/sh\necho done\n"
_UNIT: Final = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart={command}\n"
_TIMES: Final = ("InactiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic")
# A name for each mode: what is done before is told by the name as well.
_JOB: Final = '[bootstrap-containers.{mode}]\nmode = "{mode}"\nfile = "{file}"\n'
_NO_SOURCE: Final = '[bootstrap]\nsource = "none"\n'


def measure(*, rounds: int) -> Iterator[Line]:
    with tempfile.TemporaryDirectory() as place, Container(Path(place)) as container:
        contenders = _contenders_of(container)
        yield from contest.hold("user data, the container alone", contenders, rounds=rounds)
    with _host() as host:
        yield from contest.hold("user data, reference host", host.contenders(), rounds=rounds)


def _contenders_of(container: Container) -> Mapping[str, Attempt]:
    """On this machine's podman, without the launcher: no emulated processor."""
    scripts = container.place / "opt" / "scripts"
    scripts.mkdir()
    for number in range(MANY):
        (scripts / f"{number:03}").write_bytes(SCRIPT)
        (scripts / f"{number:03}").chmod(0o755)

    def run(*command: str, entry: str = "") -> float:
        container.name += "x"  # podman may still know the one before
        more = (f"--entrypoint={entry}",) if entry else ()
        start = time.monotonic()
        done = podman("run", "--rm", *container.arguments(*more), *command)
        seconds = time.monotonic() - start
        if done.returncode:
            raise RuntimeError(done.stdout)
        return seconds

    def jobs(number: int) -> float:
        names = [f"job{each:03}" for each in range(number)]
        described = (Job(name, f"user-data/{name}", Mode.ALWAYS) for name in names)
        container.write(*described, **dict.fromkeys(names, SCRIPT))
        return run()

    loop = f'for script in {SCRIPTS}/*; do "$script"; done'
    return {
        "podman run, /bin/true": lambda: run(entry="/bin/true"),
        f"podman run, {MANY} scripts by one shell": lambda: run("-c", loop, entry="/bin/sh"),
        "the runner, 1 script": lambda: jobs(1),
        f"the runner, {MANY} scripts": lambda: jobs(MANY),
    }


@contextlib.contextmanager
def _host() -> Iterator[_Host]:
    archive = build_image.CACHE / "images" / "hatchway-bootstrap.tar"
    if not archive.exists() or not programs.BUNDLE.exists():
        raise RuntimeError("the bootstrap image or the bundle is not built")
    with tempfile.TemporaryDirectory() as scratch:
        images = Path(scratch)
        bare.without_entrypoint(archive, images / "plain.tar", PLAIN)
        files = {
            "/opt/hatchway": programs.BUNDLE,
            "/opt/hatchway.tar": archive,
            "/opt/plain.tar": images / "plain.tar",
        }
        with Machine(files=files) as machine:
            machine.run((HATCHWAY, "image", "load", "/opt/hatchway.tar"), timeout=300)
            named = ("--name", PLAIN)  # whatever else an earlier run has left under it
            machine.run((HATCHWAY, "image", "load", "/opt/plain.tar", *named), timeout=300)
            host = _Host(machine)
            host.prepare()
            yield host


class _Host:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def prepare(self) -> None:
        self._machine.run(("mkdir", "-p", "/etc/hatchway", SCRIPTS))
        for number in range(MANY):
            self._machine.write(f"{SCRIPTS}/{number:03}", SCRIPT, 0o755)
        mount = f"--mount type=bind,src={SCRIPTS},dst={SCRIPTS},options=rbind:ro"
        run = f"/usr/bin/ctr --namespace hatchway run --rm {mount} {PLAIN} bench"
        # `$$` is systemd's word for `$`.
        loop = f"""/bin/sh -c 'for script in {SCRIPTS}/*; do "$$script"; done'"""
        commands = {
            "true": f"{run} /bin/true",
            "shell": f"{run} {loop}",
            "hatchway": f"{HATCHWAY} bootstrap run",
        }
        for name, command in commands.items():
            unit = f"/etc/systemd/system/bench-{name}.service"
            self._machine.write(unit, _UNIT.format(command=command).encode())
        self._machine.run(("systemctl", "daemon-reload"))

    def contenders(self) -> Mapping[str, Attempt]:
        return {
            "ctr run, /bin/true": lambda: self._unit("true"),
            f"ctr run, {MANY} scripts by one shell": lambda: self._unit("shell"),
            "hatchway, no user data": lambda: self._hatchway(_NO_SOURCE),
            "hatchway, 1 script": lambda: self._hatchway(_jobs("always", f"{SCRIPTS}/000")),
            f"hatchway, {MANY} scripts": lambda: self._hatchway(_jobs("always", SCRIPTS)),
            f"hatchway, {MANY} scripts, all done before": lambda: self._hatchway(
                _jobs("once", SCRIPTS)
            ),
        }

    def _hatchway(self, settings: str) -> float:
        self._machine.write(CONFIG, settings.encode())
        return self._unit("hatchway")

    def _unit(self, name: str) -> float:
        """The seconds that systemd's own clock gives to a unit."""
        unit = f"bench-{name}.service"
        self._machine.run(("systemctl", "start", unit), timeout=300)
        shown = self._machine.run(("systemctl", "show", f"--property={','.join(_TIMES)}", unit))
        times = dict(line.split("=") for line in shown.splitlines())
        self._machine.run(("systemctl", "stop", unit))
        began, ended = (int(times[key]) for key in _TIMES)
        return (ended - began) / 1e6


def _jobs(mode: str, file: str) -> str:
    return _NO_SOURCE + _JOB.format(mode=mode, file=file)
