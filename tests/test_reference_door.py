# SPDX-License-Identifier: Apache-2.0
"""The door on the reference host: opened through an agent that runs an argv, entered by ssh."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.refhost import traces
from tests.refhost.door import HATCHWAY, HostDoor

if TYPE_CHECKING:
    from pathlib import Path

    from tests.refhost.traces import Traces

pytest_plugins = ["tests.refhost.door_fixture"]
pytestmark = [pytest.mark.refhost, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def before(node: HostDoor) -> Traces:
    """The host before its first door."""
    return traces.look(node.machine)


@pytest.fixture(scope="module")
def opened(node: HostDoor, before: Traces) -> dict[str, Any]:
    """The door that the tests of this module share, pulled from the registry."""
    return node.open()


def test_start_returns_one_object_with_all_that_a_client_needs(opened: dict[str, Any]) -> None:
    assert (opened["state"], opened["ready"], opened["adopted"]) == ("open", True, False)
    assert (opened["address"], opened["port"], opened["user"]) == ("10.0.2.15", 22, "admin")
    assert opened["host_key_fingerprint"].startswith("SHA256:")
    keys = [each["key"] for each in opened["host_keys"]]
    assert opened["host_key"] == keys[0]
    assert opened["known_hosts"].splitlines() == [f"10.0.2.15 {key}" for key in keys]
    assert opened["runtime"] == "containerd"


def test_the_key_enters_with_strict_checking_of_the_host_key(
    node: HostDoor, opened: dict[str, Any]
) -> None:
    inside = node.ssh("id -un; sudo id -u")
    assert (inside.status, inside.stdout) == (0, "admin\n0\n")


def test_another_key_does_not_enter(node: HostDoor, opened: dict[str, Any], tmp_path: Path) -> None:
    subprocess.run(
        ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")), check=True
    )
    stranger = HostDoor(node.machine, node.source, tmp_path / "other", node.directory)
    refused = stranger.ssh("true", options=("-oIdentitiesOnly=yes",))
    assert refused.status == 255
    assert "Permission denied (publickey)" in refused.stderr


def test_nothing_that_a_path_leads_to_below_the_view_is_writable(
    node: HostDoor, opened: dict[str, Any]
) -> None:
    # By access(2), which knows read-only mounts: findmnt also lists what another mount hides.
    script = """
        findmnt -R /host -rno FSTYPE,TARGET | while read -r kind target; do
            target=$(printf %b "$target")
            [ "$kind" = autofs ] || ! [ -w "$target" ] || echo "writable: $target"
            echo "$kind"
        done
    """
    found = node.ssh("sudo bash", stdin=script).stdout.splitlines()
    assert {"squashfs", "ext4", "overlay", "tmpfs", "proc"} <= set(found)
    assert [line for line in found if line.startswith("writable")] == []


def test_a_mount_that_the_host_makes_later_is_read_only_too(
    node: HostDoor, opened: dict[str, Any]
) -> None:
    node.machine.run(["mkdir", "-p", "/mnt/late"])
    node.machine.run(["mount", "-t", "tmpfs", "none", "/mnt/late"])
    try:
        script = "for n in $(seq 50); do touch /host/mnt/late/x || exit 0; sleep 0.2; done; exit 1"
        refused = node.ssh("sudo sh", stdin=script)
        assert (refused.status, "Read-only file system" in refused.stderr) == (0, True)
        node.machine.run(["touch", "/mnt/late/the host itself writes"])
    finally:
        node.machine.run(["umount", "/mnt/late"])


def test_hostsh_runs_in_the_host_as_root_with_the_exact_status(
    node: HostDoor, opened: dict[str, Any]
) -> None:
    assert node.ssh("hostsh uname -r").stdout.startswith("5.10.")
    assert "Read-only file system" in node.ssh("hostsh touch /usr/x").stderr
    assert node.ssh("hostsh sh -c true").status == 127
    assert node.ssh("hostsh", stdin="cd /; echo $0 $PWD; exit 9\n").status == 9


def test_the_door_is_not_closed_from_inside_in_the_middle_of_the_work(
    node: HostDoor, opened: dict[str, Any]
) -> None:
    refused = node.ssh("hostsh /opt/hatchway/hatchway admin stop")
    assert refused.status == 1
    assert "/opt/hatchway/hatchway admin stop" in refused.stderr
    assert node.status()["state"] == "open"


def test_a_second_start_adopts_the_open_door(node: HostDoor, opened: dict[str, Any]) -> None:
    again = node.open()
    assert (again["adopted"], again["pid"]) == (True, opened["pid"])
    assert again["known_hosts"] == opened["known_hosts"]


def test_status_tells_who_is_inside(node: HostDoor, opened: dict[str, Any]) -> None:
    with subprocess.Popen(
        node.ssh_argv("echo x; cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as inside:
        assert inside.stdin is not None
        assert inside.stdout is not None
        inside.stdout.readline()
        status = node.status()
        inside.stdin.close()
    assert (status["state"], status["ready"]) == ("open", True)
    assert [(each["user"], each["address"]) for each in status["sessions"]] == [
        ("admin", "10.0.2.2")
    ]


def test_exec_is_a_pipe_with_the_commands_own_status(
    node: HostDoor, opened: dict[str, Any]
) -> None:
    counted = node.hatchway("admin", "exec", "wc", "-c", stdin="12345")
    assert (counted.status, counted.stdout.strip()) == (0, "5")
    assert node.hatchway("admin", "exec", "sh", "-c", "exit 7").status == 7
    assert node.hatchway("admin", "exec", "no-such-program").status == 127
    assert node.hatchway("admin", "exec", "/etc/passwd").status == 126
    assert node.hatchway("admin", "shell", stdin="echo $HOST; exit 3\n").stdout == "/host\n"


def test_the_log_tells_who_came_with_which_key(node: HostDoor, opened: dict[str, Any]) -> None:
    fingerprint = opened["keys"][0]["fingerprint"]
    said = node.hatchway("admin", "logs").stdout.splitlines()
    assert any("Accepted publickey" in line and fingerprint in line for line in said)


def test_the_containers_limits_are_the_plans(node: HostDoor, opened: dict[str, Any]) -> None:
    plan = json.loads(node.start("--dry-run").stdout)
    assert plan["digest"] == opened["plan"]
    groups = node.machine.read(f"/proc/{opened['pid']}/cgroup").decode()
    assert "hatchway-admin" in groups
    adjusted = node.machine.read(f"/proc/{opened['pid']}/oom_score_adj")
    assert int(adjusted) == plan["plan"]["limits"]["oom_score_adj"]


def test_stop_leaves_nothing_and_twice_is_as_good_as_once(
    node: HostDoor, opened: dict[str, Any], before: Traces
) -> None:
    node.close()
    assert traces.added(before, traces.look(node.machine)) == {}
    assert node.status()["state"] == "closed"
    assert node.ssh("true").status == 255
    again = node.hatchway("admin", "stop", "--output", "json")
    assert (again.status, again.json()) == (
        0,
        {"state": "closed", "was_open": False, "uncleared": None},
    )


def test_without_a_door_exec_says_so_with_125(node: HostDoor) -> None:
    assert node.hatchway("admin", "exec", "true").status == 125


def test_a_start_with_the_image_here_asks_no_registry_and_hands_on_no_library_path(
    node: HostDoor, opened: dict[str, Any]
) -> None:
    # Under a name whose registry is down, by a caller that has the variable itself.
    name = "10.0.2.2:1/hatchway-admin:cached"
    node.ctr("images", "tag", node.source.image, name)
    env = {"LD_LIBRARY_PATH": "/opt/hatchway/_internal", "PATH": "/usr/sbin:/usr/bin"}
    started = node.start("--image", name, env=env)
    assert started.status == 0, started.stdout + started.stderr
    door = started.json()
    assert (door["adopted"], door["host_key"]) == (False, opened["host_key"])
    # containerd gives its shims a path of its own; ours must be in none of them.
    shims = node.machine.run(["pgrep", "--full", "containerd-shim"]).split()
    for pid in (*shims, str(door["pid"])):
        assert b"hatchway/_internal" not in node.machine.read(f"/proc/{pid}/environ")
    inside = node.hatchway("admin", "exec", "env", env=env)
    assert (inside.status, "LD_LIBRARY_PATH" in inside.stdout) == (0, False)
    node.close()


def test_the_host_had_neither_shell_nor_python(node: HostDoor) -> None:
    for program in ("sh", "bash", "busybox", "python3", "perl", "sshd"):
        with pytest.raises(FileNotFoundError):
            node.machine.exec([program, "--version"])
    assert node.machine.run([HATCHWAY, "--version"])
