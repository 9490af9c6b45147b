# SPDX-License-Identifier: Apache-2.0
"""How long a short command takes, beside a Python that does nothing at all."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench import contest, programs
from tests.engine.door import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.contest import Attempt, Line

STATUS = ("admin", "status", "--output", "json")


def measure(*, rounds: int) -> Iterator[Line]:
    env = programs.environment()
    yield from contest.hold("closed", _contenders(env, ("--help",), ("--version",), STATUS),
                            rounds=rounds)  # fmt: skip
    with _open_door(env):
        yield from contest.hold("open", _contenders(env, STATUS), rounds=rounds)


def _contenders(env: dict[str, str], *commands: tuple[str, ...]) -> dict[str, Attempt]:
    peer = {"python -c pass": contest.command(programs.PYTHON, "-c", "pass", env=env)}
    return peer | {
        f"{name} {' '.join(command)}": contest.command(program, *command, env=env)
        for command in commands
        for name, program in programs.found().items()
    }


@contextlib.contextmanager
def _open_door(env: dict[str, str]) -> Iterator[None]:
    program = next(iter(programs.found().values()))
    with tempfile.TemporaryDirectory() as place:
        key = Path(place, "key")
        subprocess.run(("ssh-keygen", "-q", "-N", "", "-f", str(key)), check=True)
        listen = ("--listen", f"127.0.0.1:{free_port()}")
        start = ("admin", "start", "--quiet", "--key-file", f"{key}.pub", *listen)
        contest.run(program, *start, "--runtime", "podman", env=env)
        try:
            yield
        finally:
            contest.run(program, "admin", "stop", env=env)
