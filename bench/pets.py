# SPDX-License-Identifier: Apache-2.0
"""Peers whose containers are pets: made once, kept running, entered for each command.

They are meant for a user, so that they get one, whom nobody sees but us: this process has mounts
of its own. Both install what a container lacks when it is first entered; ours lacks nothing, so
that only the entry is measured.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import contest, programs
from tools import build_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.contest import Attempt

NAME: Final = "hatchway-bench"
IMAGE: Final = "localhost/hatchway-bench:1"
SUITE: Final = "bookworm"
ARCHIVE: Final = build_image.CACHE / "bench" / "pet.tar"
# What distrobox looks for, and capsh, by which podman-toolbox enters.
PACKAGES: Final = (
    "bash,bc,curl,diffutils,findutils,less,libcap2-bin,lsof,mount,passwd,pinentry-curses,sudo,"
    "time,util-linux,wget"
)
ID: Final = 61000  # none of those that Debian and systemd give to anybody
_FAILURES: Final = (RuntimeError, OSError, subprocess.SubprocessError)
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SUBORDINATE: Final = f"{NAME}:1000000:65536\n"


def measured(stack: contextlib.ExitStack) -> Iterator[tuple[str, Attempt]]:
    """The peers that work here, each with its container up, until `stack` ends.

    What does not work is left out, and said.
    """
    peers = {
        "toolbox": (
            "Debian's podman-toolbox",
            ("--assumeyes", "create", "--image", IMAGE, "--container", "toolbox"),
            ("run", "--container", "toolbox", "true"),
        ),
        "distrobox": (
            "Debian's distrobox",
            ("create", "--yes", "--image", IMAGE, "--name", "distrobox"),
            ("enter", "--name", "distrobox", "--no-tty", "--", "true"),
        ),
    }
    here = [program for program in peers if shutil.which(program)]
    if not here:
        return
    if not programs.has_namespace():
        _left_out(", ".join(here), "a user of their own needs the mounts that `make bundle` brings")
        return
    try:
        env = stack.enter_context(_user())
        _as_user("podman", "import", "--quiet", str(_archive()), IMAGE, env=env)
    except _FAILURES as problem:
        _left_out(", ".join(here), str(problem))
        return
    for program in here:
        label, create, enter = peers[program]
        try:
            _as_user(program, *create, env=env)
            _as_user(program, *enter, env=env)  # the first sets the container up
        except _FAILURES as problem:
            _left_out(label, str(problem))
        else:
            yield label, contest.command(*_prefix(env), program, *enter, env=env)


def _left_out(what: str, why: str) -> None:
    sys.stderr.write(f"without {what}: {why}\n")


def _archive() -> Path:
    if not ARCHIVE.exists():
        ARCHIVE.parent.mkdir(parents=True, exist_ok=True)
        fresh = ARCHIVE.with_suffix(".new")
        contest.run(
            "mmdebstrap", "--variant=minbase", "--format=tar", f"--include={PACKAGES}",
            f"--keyring={build_image.KEYRING}", SUITE, str(fresh), build_image.MIRROR,
            env=programs.environment(),
        )  # fmt: skip
        fresh.rename(ARCHIVE)
    return ARCHIVE


@contextlib.contextmanager
def _user() -> Iterator[dict[str, str]]:
    """A user with a home, subordinate ids and an engine; gives the user's environment."""
    place = Path(tempfile.mkdtemp(prefix="hatchway-bench-"))
    place.chmod(0o755)
    home, run = place / "home", place / "run"
    more = {
        "passwd": f"{NAME}:x:{ID}:{ID}::{home}:/bin/bash\n", "group": f"{NAME}:x:{ID}:\n",
        "subuid": _SUBORDINATE, "subgid": _SUBORDINATE,
    }  # fmt: skip
    for name, line in more.items():
        (place / name).write_text(Path("/etc", name).read_text() + line)
        contest.run(
            "mount", "--bind", str(place / name), f"/etc/{name}", env=programs.environment()
        )
    for directory in (home, run):
        directory.mkdir(mode=0o700)
        os.chown(directory, ID, ID)
    settings = str(shutil.copy(build_image.CACHE / "containers.conf", place))
    env = {
        "HOME": str(home), "USER": NAME, "LOGNAME": NAME, "SHELL": "/bin/bash", "PATH": _PATH,
        "XDG_RUNTIME_DIR": str(run), "CONTAINERS_CONF": settings,
    }  # fmt: skip
    try:
        yield env
    finally:
        # Ends the containers too. Files belong to subordinate ids, which only podman can remove.
        with contextlib.suppress(*_FAILURES):
            _as_user("podman", "system", "reset", "--force", env=env)
        for name in more:
            subprocess.run(("umount", f"/etc/{name}"), check=False)
        shutil.rmtree(place, ignore_errors=True)


def _prefix(env: dict[str, str]) -> tuple[str, ...]:
    ids = (f"--reuid={ID}", f"--regid={ID}", "--clear-groups")
    return ("env", f"--chdir={env['HOME']}", "setpriv", *ids)


def _as_user(*argv: str, env: dict[str, str]) -> str:
    return contest.run(*_prefix(env), *argv, env=env)
