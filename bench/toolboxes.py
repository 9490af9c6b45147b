# SPDX-License-Identifier: Apache-2.0
"""A command in a toolbox of its own, and one more in one that runs, beside those of others."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from bench import bare, contest, programs
from launcher import runtimes
from launcher.host import Host
from launcher.runtimes import Wish
from tools import build_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.contest import Attempt, Line

KEPT: Final = "bench"
PEER: Final = "hatchway-bench"
# What podman-toolbox asks of an image and finds in Debian's own base.
PEER_IMAGE: Final = "localhost/hatchway-base:trixie"
_SHARED: Final = ("--network=host", "--pid=host", "--ipc=host", "--uts=host")


def measure(*, rounds: int) -> Iterator[Line]:
    """Both contests on podman; RuntimeError when it does not work here."""
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
    yield from contest.hold("toolbox run true", {**peers, **own}, rounds=rounds)
    with contextlib.ExitStack() as stack:
        contenders = _kept(stack, client, program, flags, env)
        yield from contest.hold("true in one that runs", contenders, rounds=rounds)


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
    found = {
        "podman exec": contest.command(*client, "exec", f"hatchway-kept-{KEPT}", "true", env=env)
    }
    if shutil.which("toolbox") and _peer_works(stack, client, env):
        found["Debian's podman-toolbox"] = contest.command(
            "toolbox", "run", "-c", PEER, "true", env=env
        )
    return found | {
        f"{name} toolbox run --keep": contest.command(program, *keep, "true", env=env)
        for name, program in programs.found().items()
    }


def _peer_works(stack: contextlib.ExitStack, client: tuple[str, ...], env: dict[str, str]) -> bool:
    """Whether podman-toolbox has its container running; it wants D-Bus, and capsh in the image."""
    remove = (*client, "rm", "--force", "--time=1", PEER)
    stack.callback(subprocess.run, remove, check=False, capture_output=True)
    capsh = shutil.which("capsh") or "/usr/sbin/capsh"
    steps = (
        ("toolbox", "--assumeyes", "create", "--image", PEER_IMAGE, "--container", PEER),
        (*client, "cp", capsh, f"{PEER}:/usr/sbin/capsh"),
        ("toolbox", "run", "-c", PEER, "true"),
    )
    try:
        for argv in steps:
            contest.run(*argv, env=env)
    except (RuntimeError, subprocess.TimeoutExpired):
        return False
    return True


def _client() -> tuple[str, ...]:
    chosen = runtimes.choose(Wish("podman"), Host.read()).runtime
    return (chosen.program, *chosen.options)  # type: ignore[attr-defined] # of Whales
