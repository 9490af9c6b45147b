# SPDX-License-Identifier: Apache-2.0
"""A hostile target looks for a way out through the processes of a session, and finds none."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import ROOT
from tests.engine import target as targets
from tests.engine.intruder import SCRIPT, SESSIONS, devices
from tests.engine.target import PROGRAM, SCRATCH, Target
from tests.engine.toolbox import BUSYBOX, Toolbox, busybox_archive

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def box(engine: tuple[str, tuple[str, ...]], tmp_path_factory: pytest.TempPathFactory) -> Toolbox:
    place = tmp_path_factory.mktemp("images") / "scratch.tar"
    archive = busybox_archive(place, SCRATCH, (PROGRAM,), user="1234:1234")
    found = Toolbox(*engine)
    Toolbox("podman", ("--runtime", "podman")).load(archive)
    return found


@pytest.fixture
def marker() -> Iterator[Path]:
    """A file of the host's root."""
    path = Path(f"/marker-{os.getpid()}")
    path.write_text("of the host")
    yield path
    path.unlink()


@contextlib.contextmanager
def intruder(target: Target, marker: Path) -> Iterator[dict[str, Any]]:
    """A hostile process in a target; its report is there when the block has ended."""
    argv = (sys.executable, "-m", "tests.engine.intruder", str(target.pid), str(marker))
    with subprocess.Popen(
        argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        theirs = devices(Path("/proc/self/mountinfo").read_text()) - devices(target.mounts())
        child.stdin.write(f"{json.dumps(sorted(theirs))}\n")
        child.stdin.flush()
        assert child.stdout.readline() == "ready\n"
        report: dict[str, Any] = {}
        yield report
        said, _ = child.communicate()
        report |= json.loads(said)


@pytest.mark.parametrize(
    "options", [(), ("--uidmap=0:100000:65536", "--gidmap=0:100000:65536")], ids=["root", "userns"]
)
def test_a_hostile_target_finds_nothing_of_the_host_in_any_session(
    box: Toolbox, marker: Path, options: tuple[str, ...]
) -> None:
    with targets.podman(*options) as found:
        assert marker.stat().st_dev in devices(Path("/proc/self/mountinfo").read_text())
        with intruder(found, marker) as report:
            for flags in SESSIONS:
                done = box.run(*flags, "--target", found.uri, "--", "sh", "-c", SCRIPT)
                assert done.status == 0, done.stderr
    assert report["found"] == {}
    # Where the target is `/`, the kernel knows our programs by their loader's name.
    loader = "ld-linux-x86-64" if os.uname().machine == "x86_64" else "ld-linux-aarch6"
    assert {"python3", "sleep", loader} <= {name for _, name in report["met"]}


def test_a_command_beside_a_target_gains_no_rights(box: Toolbox) -> None:
    script = "cat /proc/self/status; unshare --user true && echo gained"
    with targets.podman() as found:
        for flags in (*SESSIONS, ("--user", "5:6")):
            done = box.run(*flags, "--target", found.uri, "--", "sh", "-c", script)
            lines = (line.partition(":\t") for line in done.stdout.splitlines())
            status = {name: value for name, _, value in lines}
            unfiltered = flags == ("--profile", "sysadmin")
            assert status["NoNewPrivs"] == "1", (flags, done.stderr)
            # podman says with a filter of its own which one is sysadmin's.
            assert unfiltered or status["Seccomp"] == "2", flags
            assert ("gained" in status) == unfiltered, flags
            if "observe" in flags:
                assert int(status["Uid"].split()[0]) > 2_000_000_000
            if "--user" in flags:
                assert {status[name] for name in ("CapBnd", "CapPrm")} == {"0" * 16}


def test_a_target_cannot_put_programs_of_its_own_in_the_place_of_our_tools(box: Toolbox) -> None:
    with targets.podman() as found:
        found.root("/mnt").mkdir()
        argv = ("sh", "-c", "echo $PATH; read go; ls /; echo $?")
        with box.start("--root", "target", "--target", found.uri, "--", *argv) as child:
            assert child.stdout is not None
            assert child.stdin is not None
            tools = child.stdout.readline().partition(":")[0]
            _plant(found.root(tools))
            child.stdin.write("go\n")
            child.stdin.flush()
            said = child.stdout.read()
        assert "theirs" not in said
        assert said.endswith("\n0\n")


def _plant(place: Path) -> None:
    """Put a program into a directory of the target, whatever is mounted there for others."""
    for take_away in (place.parent.rmdir, lambda: place.parent.rename(f"{place.parent}.old")):
        with contextlib.suppress(OSError):
            take_away()
    place.mkdir(parents=True)
    shutil.copy(BUSYBOX, place / "busybox")
    inside = Path("/", *place.parts[4:])
    (place / "ls").write_text(f"#!{inside}/busybox sh\necho theirs\n")
    (place / "ls").chmod(0o755)
