# SPDX-License-Identifier: Apache-2.0
"""The door on the reference host when launchers are killed, shims die and the power goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.refhost import traces

if TYPE_CHECKING:
    from tests.refhost.door import HostDoor

pytest_plugins = ["tests.refhost.door_fixture"]
pytestmark = [pytest.mark.refhost, pytest.mark.timeout(600)]

SHIM = "containerd-shim.*hatchway-admin"
# How far a start is, by a command that succeeds from then on; the latest first.
STAGES = (
    ("test", "-e", "/run/hatchway/admin/phase.json"),
    ("pgrep", "--full", "ctr .* run --detach"),
    ("test", "-d", "/run/hatchway/containerd/hatchway-admin.root"),
)


@pytest.fixture(scope="module", autouse=True)
def _image(node: HostDoor) -> None:
    """Have the image on the host before anything goes wrong."""
    if node.source.image not in node.ctr("images", "ls", "-q").split():
        node.open()
        node.close()


def test_after_starts_that_were_killed_the_next_one_just_works(node: HostDoor) -> None:
    before = traces.look(node.machine)
    for stage in STAGES:  # each has to clear away what the one before left
        with node.starting(until=stage):
            node.kill_launcher()
        assert node.status()["state"] == "interrupted"
    assert node.open()["adopted"] is False
    assert node.ssh("true").status == 0
    node.close()
    assert traces.added(before, traces.look(node.machine)) == {}


def test_stop_cleans_up_after_a_start_that_was_killed(node: HostDoor) -> None:
    before = traces.look(node.machine)
    with node.starting(until=STAGES[0]):
        node.kill_launcher()
    node.close()
    assert traces.added(before, traces.look(node.machine)) == {}


def test_a_door_whose_processes_died_is_replaced_and_one_without_a_shim_closed(
    node: HostDoor,
) -> None:
    before = traces.look(node.machine)
    pid = node.open()["pid"]
    shims = node.machine.run(["pgrep", "--full", SHIM]).split()
    node.machine.run(["kill", "-KILL", *shims, str(pid)])
    assert node.status()["state"] == "died"
    again = node.open()
    assert (again["adopted"], again["pid"] == pid) == (False, False)
    assert node.ssh("true").status == 0
    node.machine.run(["pkill", "--signal", "KILL", "--full", SHIM])
    node.close()
    assert traces.added(before, traces.look(node.machine)) == {}


def test_a_power_cut_closes_an_open_door_and_the_next_start_just_works(node: HostDoor) -> None:
    key = node.open()["host_key"]
    node.machine.power_cut()
    node.machine.boot()
    node.machine.wait_until_up()
    assert node.status()["state"] == "closed"
    assert node.ctr("tasks", "ls", "-q") == ""
    assert node.ssh("true").status == 255
    again = node.open()
    assert (again["adopted"], again["host_key"]) == (False, key)
    assert node.ssh("true").status == 0


def test_a_reboot_closes_the_door_and_is_not_held_up_by_it(node: HostDoor) -> None:
    key, seen = node.open()["host_key"], len(node.machine.console)
    node.machine.reboot()
    # What systemd says after ten seconds, of ninety.
    assert "Waiting for process" not in node.machine.console[seen:]
    assert node.status()["state"] == "closed"
    assert node.ctr("tasks", "ls", "-q") == ""
    assert node.machine.run(["systemctl", "--failed", "--no-legend"]) == ""
    before = traces.look(node.machine)
    assert node.open()["host_key"] == key
    node.close()
    after = traces.look(node.machine)
    assert traces.added(before, after) == {}
    assert (after["containers"], after["snapshots"]) == (frozenset(), frozenset())
