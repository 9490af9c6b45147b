# SPDX-License-Identifier: Apache-2.0
"""What fills its memory inside the door ends alone: the door, and who else is inside, stay.

By `hostsh` it is tried in the reference host: nobody may enter this machine's PID 1.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engine.door import DoorCommand
from tests.engine.toolbox import Toolbox, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.engine

LIMIT = "128M"
# Far above the limit, and below what any machine has.
HOG = "bytearray(300 << 20)"
FILL = "dd if=/dev/zero of={} bs=1M count=300"
GROUPS = Path("/sys/fs/cgroup")


@pytest.fixture(scope="module")
def small(
    engine: tuple[str, tuple[str, ...]], ssh_key: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DoorCommand]:
    """An open door with little memory."""
    command = DoorCommand(*engine, ssh_key, tmp_path_factory.mktemp("door"))
    command.stop()
    started = command.start("--memory", LIMIT)
    assert started.status == 0, started.stdout + started.stderr
    yield command
    command.stop()


@pytest.fixture(autouse=True)
def nothing_stays_where_we_are() -> Iterator[None]:
    """conmon(8) leaves a file of that name in the directory of whoever started the container."""
    assert not Path("oom").exists()
    yield
    assert not Path("oom").exists()


@pytest.fixture
def file_in_memory() -> Iterator[Path]:
    """A place in a tmpfs of the host."""
    place = Path(f"/dev/shm/hatchway-test-{os.getpid()}")
    yield place
    place.unlink(missing_ok=True)


@contextlib.contextmanager
def somebody_inside(door: DoorCommand) -> Iterator[subprocess.Popen[bytes]]:
    options = door.ssh_options(door.status()["known_hosts"])
    argv = ("ssh", *options, "-p", str(door.port), "admin@127.0.0.1", "cat")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as inside:
        assert answers(inside)
        yield inside
        assert inside.stdin is not None
        inside.stdin.close()


def answers(inside: subprocess.Popen[bytes]) -> bool:
    assert inside.stdin is not None
    assert inside.stdout is not None
    inside.stdin.write(b"still here\n")
    inside.stdin.flush()
    return inside.stdout.readline() == b"still here\n"


def notes(door: DoorCommand) -> str:
    return "\n".join(door.status()["notes"])


def test_a_write_into_memory_ends_its_own_session_alone(
    small: DoorCommand, file_in_memory: Path
) -> None:
    before = small.status()["pid"]
    with somebody_inside(small) as other:
        attack = small.ssh(f"sudo {FILL.format(file_in_memory)}")
        assert attack.status != 0
        assert file_in_memory.stat().st_size > 50 << 20  # it stays, and so does what it takes
        assert answers(other)
        assert small.status()["pid"] == before
        assert small.status()["ready"]
        # Again and again, as somebody would who wants to know what happened.
        for _ in range(3):
            assert small.ssh("sudo sh -c 'seq 100000 | sort | tail -n 1'").stdout == "99999\n"
    assert eventually(lambda: "memory limit" in notes(small))
    assert eventually(lambda: "files in memory" in notes(small))
    assert "memory limit" in small.hatchway("admin", "logs").stdout
    assert small.ssh(f"sudo rm {file_in_memory}").status == 0
    assert eventually(lambda: "files in memory" not in notes(small))


def test_the_largest_process_of_a_session_is_killed_and_the_session_goes_on(
    small: DoorCommand,
) -> None:
    told = small.ssh(f"python3 -c '{HOG}'; echo $?")
    assert (told.status, told.stdout) == (0, "137\n")
    assert eventually(lambda: "python3 was killed: memory limit" in notes(small))


def test_exec_is_a_session_too(small: DoorCommand) -> None:
    told = small.hatchway("admin", "exec", "sh", "-c", f"python3 -c '{HOG}'; echo $?")
    assert (told.status, told.stdout) == (0, "137\n")
    assert small.ssh("true").status == 0


def test_what_people_run_is_no_dearer_to_the_host_than_its_workloads(small: DoorCommand) -> None:
    for command in ("cat", "sudo cat"):
        assert small.ssh(f"{command} /proc/self/oom_score_adj").stdout == "0\n", command


def test_a_door_that_its_memory_limit_ended_says_so(
    door: DoorCommand, file_in_memory: Path
) -> None:
    pid = door.start("--memory", LIMIT).json()["pid"]
    group = next(
        line.split(":")[2]
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        if line.split(":")[1] in ("memory", "")
    )
    place = GROUPS / ("memory" if (GROUPS / "memory").is_dir() else "") / group.lstrip("/")
    # Where the supervisor could be made dear to the kernel, what fills its memory can be dearer.
    dearer = "echo -1000 > /proc/self/oom_score_adj"
    script = f"{dearer}; echo $$ > {place}/cgroup.procs && {FILL.format(file_in_memory)}"
    subprocess.run(("sh", "-c", script), check=False, capture_output=True)
    assert eventually(lambda: door.status()["state"] == "died")
    reason = door.status()["reason"]
    assert "memory limit" in reason["message"]


def test_no_group_of_processes_stays(door: DoorCommand) -> None:
    door.start("--memory", LIMIT)
    with somebody_inside(door):
        assert list(GROUPS.rglob("sessions/*/cgroup.procs"))
        door.stop()
    assert list(GROUPS.rglob("*hatchway-admin*")) == []
    assert list(GROUPS.rglob("sessions")) == []


def test_a_toolbox_that_its_memory_limit_ended_says_so(
    engine: tuple[str, tuple[str, ...]], file_in_memory: Path
) -> None:
    box = Toolbox(*engine)
    told = box.run("--memory", "64M", "--", "python3", "-c", HOG)
    assert told.status == 137
    assert "memory limit of 64 MiB" in told.stderr
    filled = FILL.format(f"/host{file_in_memory}").split()
    told = box.run("--memory", "64M", "--host-rw", "--profile", "sysadmin", "--", *filled)
    assert told.status == 137
    assert "memory limit of 64 MiB" in told.stderr
    try:
        told = box.run("--keep", "hog", "--memory", "64M", "--", "python3", "-c", HOG)
        assert told.status == 137
        assert "memory limit" in told.stderr
    finally:
        box.call("rm", "hog")
    # What it left counts against nobody.
    assert file_in_memory.exists()
    assert box.run("--memory", "64M", "--", "true").status == 0
