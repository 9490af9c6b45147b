# SPDX-License-Identifier: Apache-2.0
"""Toolboxes on the reference host: no shell there, kernel 5.10, a channel that runs an argv."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.scene import ATTEMPTS
from tests.refhost import traces
from tests.refhost.door import HATCHWAY, HostDoor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.door import Finished

OURS = re.compile("hatchway|shim|sleep|tcpdump|/host")

pytest_plugins = ["tests.refhost.door_fixture"]
pytestmark = [pytest.mark.refhost, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def host(node: HostDoor) -> HostDoor:
    """A host that has had its first toolbox: the image is there."""
    first = run(node, "true")
    assert first.status == 0, first.stderr
    return node


@pytest.fixture(autouse=True)
def nothing_stays(host: HostDoor) -> Iterator[None]:
    before = traces.look(host.machine)
    yield
    added = traces.added(before, traces.look(host.machine))
    # What the host does by itself meanwhile, after a reboot above all, is not ours.
    ours = [line for lines in added.values() for line in lines if OURS.search(line)]
    assert ours == []


def run(node: HostDoor, *command: str, flags: tuple[str, ...] = (), stdin: str = "") -> Finished:
    return node.hatchway("toolbox", "run", "--quiet", *flags, "--", *command, stdin=stdin)


def record(node: HostDoor, own: str) -> dict[str, Any]:
    listed = node.hatchway("toolbox", "list", "--output", "json").json()
    return next(each for each in listed["work"] if each["id"] == own)


def test_streams_and_statuses_pass_through_the_agent(host: HostDoor) -> None:
    script = "cat; echo err >&2; exit 7"
    done = run(host, "sh", "-c", script, stdin="in\n")
    assert (done.status, done.stdout, done.stderr) == (7, "in\n", "err\n")
    assert run(host, "no-such-program").status == 127
    assert run(host, "/etc").status == 126
    shell = host.hatchway("toolbox", stdin="echo $((6*7)); id -u; exit 5\n")
    assert (shell.status, shell.stdout) == (5, "42\n0\n"), shell.stderr


def test_packets_processes_and_the_journal_are_seen(host: HostDoor) -> None:
    # Packets are sent until one is seen: nobody knows how long tcpdump takes to listen here.
    script = """
        timeout 60 tcpdump -ni any -c 1 udp dst port 9 &
        while kill -0 $! 2>/dev/null; do echo > /dev/udp/127.0.0.1/9; sleep 0.2; done
    """
    captured = run(host, "bash", "-c", script)
    assert "listening on any" in captured.stderr
    assert " > 127.0.0.1.9: UDP, length 1" in captured.stdout, captured.stderr
    seen = run(
        host, "sh", "-c", "ps -p 1 -o comm=; journalctl -n 1 -o cat; cat /host/etc/os-release"
    )
    assert seen.stdout.startswith("systemd\n")
    assert host.machine.read("/etc/os-release").decode() in seen.stdout
    assert seen.stdout.count("\n") > 3, seen.stderr


def test_nothing_of_the_host_can_be_written_unless_asked_for(host: HostDoor) -> None:
    places = ("", "/etc", "/var", "/var/lib", "/run", "/opt", "/tmp", "/home")
    script = 'for p; do touch "/host$p/here" 2>/dev/null && echo "$p"; done; mount | grep " /host"'
    for profile in ("observe", "general", "sysadmin"):
        tried = run(host, "sh", "-c", script, "x", *places, flags=("--profile", profile))
        assert [line for line in tried.stdout.splitlines() if " on " not in line] == []
        mounts = [line for line in tried.stdout.splitlines() if " on /host" in line]
        assert len(mounts) > 4
        assert all("(ro" in line for line in mounts)
    written = run(host, "touch", "/host/var/tmp/here", flags=("--host-rw",))
    assert written.status == 0, written.stderr
    host.machine.run(["rm", "/var/tmp/here"])


def test_whoever_observes_changes_nothing_on_an_old_kernel_either(host: HostDoor) -> None:
    """Kernel 5.10 has no Landlock: permissions are all that is between it and a FIFO."""
    furnish = """
        mkdir -m 777 -p /host/run/scene/directory; cd /host/run/scene; chmod 755 .
        echo secret > file; chmod 600 file; mkfifo fifo; touch everyones directory/removed
        chmod 666 fifo everyones
    """
    made = run(host, "sh", "-c", furnish, flags=("--host-rw",))
    assert made.status == 0, made.stderr
    pid = int(host.machine.run(["pgrep", "-x", "containerd"]).split()[0])
    where = json.dumps({"base": "/host/run/scene", "pid": pid, "port": 1})
    observe = ("--profile", "observe")
    try:
        tried = run(host, "python3", "-I", "-", where, flags=observe, stdin=ATTEMPTS)
        seen = run(host, "cat", "/host/run/scene/file", flags=observe)
    finally:
        run(host, "rm", "-r", "/host/run/scene", flags=("--host-rw",))
    assert tried.status == 0, tried.stderr
    assert json.loads(tried.stdout)["reached"] == ["write_to_a_fifo_that_everyone_may_write"]
    assert seen.stdout == "secret\n", seen.stderr


def test_several_at_once_and_an_open_door_do_not_disturb_one_another(host: HostDoor) -> None:
    host.open()
    try:
        with ThreadPoolExecutor(4) as pool:
            calls = [
                pool.submit(
                    run, host, "sh", "-c", f"sleep 1; cat; exit {number}", stdin=f"{number}"
                )
                for number in range(4)
            ]
            done = [call.result() for call in calls]
        assert [(one.status, one.stdout) for one in done] == [(n, f"{n}") for n in range(4)]
        assert host.ssh("echo in").stdout == "in\n"
    finally:
        host.close()


def test_detached_work_outlives_the_channel_that_asked_for_it(host: HostDoor) -> None:
    asked = run(host, "sh", "-c", "echo begun; sleep 5; echo done; exit 6", flags=("--detach",))
    assert asked.status == 0, asked.stderr
    own = asked.stdout.strip()
    unit = host.machine.exec(["systemctl", "is-active", f"hatchway-toolbox-{own}.service"])
    assert unit.stdout.decode().strip() in ("active", "activating")
    assert host.hatchway("toolbox", "wait", own, "--timeout", "0.5").status == 124
    assert host.hatchway("toolbox", "wait", own).status == 6
    assert host.hatchway("toolbox", "logs", own).stdout == "begun\ndone\n"
    assert record(host, own)["state"] == "ended"


def test_a_launcher_that_is_killed_is_cleared_by_the_next(host: HostDoor) -> None:
    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(run, host, "bash", "-c", "trap '' TERM; sleep 900.5; sleep 900.5")
        # Not the launcher, which has the same words among its arguments from the first moment.
        while not host.succeeds("pgrep", "-f", "^sleep 900.5"):
            assert not killed.done(), killed.result().stderr
            time.sleep(0.1)
        host.machine.run(["pkill", "--signal", "KILL", "--full", f"^{HATCHWAY} toolbox run"])
        # The engine's client outlives it, as the command is deaf, and holds its streams till then.
        assert run(host, "true").status == 0
        killed.result()
    assert not host.succeeds("pgrep", "-f", "^sleep 900.5")


def test_a_kept_toolbox_and_the_record_of_work_are_there_after_a_reboot(host: HostDoor) -> None:
    keep = ("--keep", "pet")
    made = run(host, "sh", "-c", "echo kept > /root/file", flags=keep)
    assert made.status == 0, made.stderr
    own = run(host, "sh", "-c", "echo out; exit 4", flags=("--detach",)).stdout.strip()
    assert host.hatchway("toolbox", "wait", own).status == 4
    host.machine.reboot()
    again = run(host, "cat", "/root/file", flags=keep)
    assert (again.status, again.stdout) == (0, "kept\n"), again.stderr
    assert host.hatchway("toolbox", "wait", own).status == 4
    assert host.hatchway("toolbox", "logs", own).stdout == "out\n"
    assert host.hatchway("toolbox", "rm", "pet").status == 0
