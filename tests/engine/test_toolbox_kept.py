# SPDX-License-Identifier: Apache-2.0
"""Toolboxes that are kept: what is in them stays, and nobody ends another's session."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests import daemons
from tests.engine.toolbox import Toolbox, busybox_archive, eventually, processes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.engine
on_one_engine = pytest.mark.parametrize("engine", ["podman"], indirect=True)

STATIC = "localhost/static:1"


@pytest.fixture(scope="module")
def box(engine: tuple[str, tuple[str, ...]], tmp_path_factory: pytest.TempPathFactory) -> Toolbox:
    found = Toolbox(*engine)
    archive = tmp_path_factory.mktemp("images") / "static.tar"
    found.load(busybox_archive(archive, STATIC, ("echo", "true")))
    return found


@pytest.fixture
def pet(box: Toolbox) -> Iterator[str]:
    """The name of a toolbox that is not there, and is gone afterwards."""
    box.call("rm", "--force", "pet")
    yield "pet"
    box.call("rm", "--force", "pet")
    assert "hatchway-kept-pet" not in box.containers()


def states(box: Toolbox) -> dict[str, str]:
    listed = box.call("list", "--output", "json").json()
    return {each["name"]: each["state"] for each in listed["kept"]}


def test_what_is_changed_in_it_stays_and_it_costs_no_process_meanwhile(
    box: Toolbox, pet: str
) -> None:
    made = box.run("--keep", pet, "--", "sh", "-c", "echo kept > /root/file; exit 3")
    assert made.status == 3, made.stderr
    assert states(box) == {pet: "stopped"}
    again = box.run("--keep", pet, "--", "cat", "/root/file")
    assert (again.status, again.stdout) == (0, "kept\n"), again.stderr
    entered = box.call("enter", pet, stdin="cat /root/file; exit 5\n")
    assert (entered.status, entered.stdout) == (5, "kept\n"), entered.stderr
    assert states(box) == {pet: "stopped"}


@on_one_engine
def test_it_looks_at_the_host_as_any_other(box: Toolbox, pet: str) -> None:
    seen = box.run("--keep", pet, "--", "sh", "-c", "ls /host/etc/passwd; touch /host/var/x")
    assert "/host/etc/passwd" in seen.stdout
    assert "Read-only file system" in seen.stderr


def test_who_leaves_first_does_not_end_the_others(box: Toolbox, pet: str) -> None:
    with contextlib.ExitStack() as stack:
        script = "echo in; cat; echo out"
        sessions = [
            stack.enter_context(box.start("--keep", pet, "--", "sh", "-c", script))
            for _ in range(3)
        ]
        for one in sessions:
            assert one.stdout is not None
            assert one.stdout.readline() == "in\n"
        for one in sessions:
            assert states(box) == {pet: "running"}
            assert one.communicate("x", timeout=60)[0] == "xout\n"
            assert one.returncode == 0
    assert states(box) == {pet: "stopped"}


@on_one_engine
def test_it_is_not_removed_while_somebody_is_inside(box: Toolbox, pet: str) -> None:
    with box.start("--keep", pet, "--", "sh", "-c", "echo in; cat") as inside:
        assert inside.stdout is not None
        assert inside.stdout.readline() == "in\n"
        refused = box.call("rm", pet)
        assert refused.status == 1
        assert "[toolbox.busy]" in refused.stderr
        inside.communicate("", timeout=60)
    assert box.call("rm", pet).status == 0
    assert "[toolbox.not-found]" in box.call("rm", pet).stderr


@pytest.mark.parametrize(
    ("command", "status"),
    [(("nosuch",), 127), (("/etc",), 126), (("sh", "-c", "kill -KILL $$"), 137)],
    ids=["127", "126", "137"],
)
def test_statuses_are_those_of_any_toolbox(
    box: Toolbox, pet: str, command: tuple[str, ...], status: int
) -> None:
    done = box.run("--keep", pet, "--", *command)
    assert done.status == status, done.stderr


def test_a_session_that_is_ended_leaves_no_process(box: Toolbox, pet: str) -> None:
    late = box.run("--keep", pet, "--timeout", "2", "--", "sleep", "1001.25")
    assert late.status == 124
    assert eventually(lambda: processes("1001.25") == [])
    with box.start("--keep", pet, "--", "sh", "-c", "echo in; exec sleep 1001.5") as going:
        assert going.stdout is not None
        assert going.stdout.readline() == "in\n"
        going.send_signal(signal.SIGTERM)
        assert going.wait(60) in (143, 137)
    assert eventually(lambda: processes("1001.5") == [])
    assert states(box) == {pet: "stopped"}


@on_one_engine
def test_a_launcher_that_was_killed_leaves_it_running_until_the_next_one_comes(
    box: Toolbox, pet: str
) -> None:
    with box.start("--keep", pet, "--", "sh", "-c", "echo in; cat") as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "in\n"
        killed.kill()
    assert box.run("--", "true").status == 0
    assert states(box) == {pet: "stopped"}


def test_a_terminal_says_where_one_is(box: Toolbox, pet: str) -> None:
    box.run("--keep", pet, "--", "true")
    shell = box.on_terminal("enter", pet)
    shell.expect(rf"\[root@{pet}:\S+ \S+\]# ")
    shell.sendline("exit 6")
    shell.wait()
    shell.close()
    assert shell.exitstatus == 6


@on_one_engine
def test_a_name_that_nobody_made_is_answered_with_those_that_there_are(
    box: Toolbox, pet: str
) -> None:
    box.run("--keep", pet, "--", "true")
    refused = box.call("enter", "pot")
    assert refused.status == 125
    assert "[toolbox.not-found]" in refused.stderr
    assert "Kept toolboxes: pet" in refused.stderr
    assert states(box) == {pet: "stopped"}


@on_one_engine
def test_flags_that_would_take_another_one_are_refused(box: Toolbox, pet: str) -> None:
    box.run("--keep", pet, "--", "true")
    for flags in (("--image", STATIC), ("--profile", "sysadmin"), ("--host-rw",)):
        refused = box.run("--keep", pet, *flags, "--", "true")
        assert refused.status == 125
        assert "[toolbox.exists]" in refused.stderr
    assert box.run("--keep", pet, "--profile", "general", "--", "true").status == 0


def test_an_image_without_sleep_cannot_be_kept(box: Toolbox, pet: str) -> None:
    refused = box.run("--keep", pet, "--image", STATIC, "--", "/echo")
    assert refused.status == 125
    assert "[toolbox.no-sleep]" in refused.stderr
    assert states(box) == {}


@on_one_engine
@pytest.mark.parametrize("name", ["", "../x", "Big", "a b", "x" * 41, "-x"])
def test_names_that_lead_elsewhere_are_refused(box: Toolbox, name: str) -> None:
    assert box.call("rm", "--", name).status == 64


@pytest.mark.parametrize("after", [0.45, 0.7])
def test_a_launcher_that_is_killed_as_it_makes_one_leaves_all_of_it_or_nothing(
    box: Toolbox, pet: str, after: float
) -> None:
    argv = box.argv("run", "--keep", pet, "--", "true")
    with subprocess.Popen(argv, start_new_session=True) as making:
        time.sleep(after)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(making.pid, signal.SIGKILL)
    assert box.run("--", "true").status == 0  # clears what dead launchers left
    assert ("hatchway-kept-pet" in box.containers()) == (pet in states(box))
    assert "running" not in states(box).values()


def test_one_whose_engine_is_gone_can_be_forgotten(tmp_path: Path) -> None:
    archive = busybox_archive(tmp_path / "static.tar", STATIC, ("sleep", "true"))
    with daemons.containerd(tmp_path / "containerd") as socket:
        box = Toolbox("containerd", ("--runtime", "containerd", "--socket", socket))
        box.load(archive)
        made = box.run("--keep", "orphan", "--image", STATIC, "--", "true")
        assert made.status == 0, made.stderr
    refused = box.call("rm", "orphan")
    assert (refused.status, states(box)["orphan"]) == (1, "unknown")
    assert "hatchway toolbox rm --force orphan" in refused.stderr
    assert box.call("rm", "--force", "orphan").status == 0
    assert "orphan" not in states(box)
