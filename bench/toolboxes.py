# SPDX-License-Identifier: Apache-2.0
"""A command in a toolbox of its own, and in one that runs, beside those of others."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from bench import bare, contest, pets, programs
from launcher import runtimes
from launcher.host import Host
from launcher.runtimes import Wish
from tools import build_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.contest import Attempt, Line

KEPT: Final = "bench"
_SHARED: Final = ("--network=host", "--pid=host", "--ipc=host", "--uts=host")


def measure(*, rounds: int) -> Iterator[Line]:
    """All on podman; RuntimeError when it does not work here."""
    if not shutil.which("podman"):
        raise RuntimeError("no podman on PATH")
    env = programs.environment()
    program = next(iter(programs.found().values()))
    flags = ("--runtime", "podman")
    contest.run(program, "image", "load", str(build_image.ARCHIVE), *flags, env=env)
    client = _client()
    image = f"{build_image.NAME}:{build_image.version()}"
    bare_run = (*client, "run", "--rm", "--entrypoint=/usr/bin/true", *bare.limits())
    own = {
        f"{name} toolbox run": contest.command(
            program, "toolbox", "run", *flags, "--", "true", env=env
        )
        for name, program in programs.found().items()
    }
    peers = {
        "podman run --rm": contest.command(*bare_run, "--network=host", image, env=env),
        "podman run --rm, host's namespaces": contest.command(*bare_run, *_SHARED, image, env=env),
    }
    with contextlib.ExitStack() as stack:
        kept = _kept(stack, client, program, flags, env)
        contenders = {**peers, **own, **kept, **dict(pets.measured(stack))}
        yield from contest.hold("true in a toolbox", contenders, rounds=rounds)


def _kept(
    stack: contextlib.ExitStack, client: tuple[str, ...], program: str, flags: tuple[str, ...],
    env: dict[str, str],
) -> dict[str, Attempt]:  # fmt: skip
    """One more command where somebody is inside already."""
    keep = ("toolbox", "run", *flags, "--keep", KEPT, "--")
    stack.callback(contest.run, program, "toolbox", "rm", "--force", KEPT, env=env)
    inside = stack.enter_context(
        subprocess.Popen(
            (program, *keep, "sh", "-c", "echo in; cat"), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=env,
        )
    )  # fmt: skip
    assert inside.stdout is not None  # noqa: S101 - it is a pipe
    inside.stdout.readline()
    entered = (*client, "exec", f"hatchway-kept-{KEPT}", "true")
    return {"podman exec": contest.command(*entered, env=env)} | {
        f"{name} toolbox run --keep": contest.command(program, *keep, "true", env=env)
        for name, program in programs.found().items()
    }


def _client() -> tuple[str, ...]:
    chosen = runtimes.choose(Wish("podman"), Host.read()).runtime
    return (chosen.program, *chosen.options)  # type: ignore[attr-defined] # of Whales
