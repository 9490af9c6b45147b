# SPDX-License-Identifier: Apache-2.0
"""Pulling on the reference host, into a second containerd that holds no image yet.

As on Bottlerocket, where host containers have a containerd of their own.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.refhost import traces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.refhost.door import HostDoor

pytest_plugins = ["tests.refhost.door_fixture"]
pytestmark = [pytest.mark.refhost, pytest.mark.timeout(600)]

SOCKET = "/run/host-containerd/containerd.sock"
NAMESPACE = "of-its-own"
FLAGS = ("--namespace", NAMESPACE)
UNIT = "host-containerd"
SETTINGS = b'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
BLOBS = "/var/lib/hatchway/blobs"
BALLAST = "/var/lib/ballast"
MEBIBYTE = 1 << 20
# How far a pull is, by a command that succeeds then: the image comes, and the engine takes it.
PULLING = ("test", "-d", BLOBS)
LOADING = ("pgrep", "--full", "ctr .* images import")


@pytest.fixture(scope="module", autouse=True)
def _second_containerd(node: HostDoor) -> Iterator[None]:
    node.machine.write("/etc/host-containerd.toml", SETTINGS)
    _run_containerd(node)
    yield
    node.machine.run(["systemctl", "stop", UNIT])


def test_auto_prefers_the_containerd_for_host_containers(node: HostDoor) -> None:
    refused = node.start("--pull", "never", *FLAGS)
    assert (refused.status, refused.code()) == (1, "image.missing")
    assert f"using containerd at {SOCKET}, namespace {NAMESPACE}" in refused.stderr


def test_a_registry_that_is_down_is_told_in_bounded_time(node: HostDoor) -> None:
    began = time.monotonic()
    refused = node.start("--image", "10.0.2.2:1/hatchway-admin:1", *FLAGS)
    assert (refused.status, refused.code()) == (1, "image.tcp")
    assert time.monotonic() - began < 60
    assert node.status()["reason"]["code"] == "image.tcp"


def test_an_image_that_the_registry_does_not_have_is_told(node: HostDoor) -> None:
    name = node.source.image.rpartition(":")[0]
    for unknown in (f"{name}@sha256:{'0' * 64}", f"{name}-of-others:1"):
        refused = node.start("--image", unknown, *FLAGS)
        assert (refused.status, refused.code()) == (1, "image.not-found")


def test_a_disk_without_room_for_the_image_is_told_before_anything_is_pulled(
    node: HostDoor,
) -> None:
    _fill(node, leave=30 * MEBIBYTE)
    try:
        refused = node.start(*FLAGS)
        assert (refused.status, refused.code()) == (1, "host.disk-full")
        assert not node.machine.run(["ls", BLOBS])
    finally:
        node.machine.run(["rm", BALLAST])


def test_a_disk_that_fills_up_while_the_engine_takes_the_image_is_told(node: HostDoor) -> None:
    before = traces.look(node.machine, socket=SOCKET, namespace=NAMESPACE)
    _fill(node, leave=90 * MEBIBYTE)
    try:
        refused = node.start(*FLAGS)
        assert (refused.status, refused.code()) == (1, "host.disk-full"), refused.stdout
    finally:
        node.machine.run(["rm", BALLAST])
    after = traces.look(node.machine, socket=SOCKET, namespace=NAMESPACE)
    assert traces.added(before, after) == {}


def test_launchers_killed_and_power_cut_while_pulling_leave_nothing_in_the_way(
    node: HostDoor,
) -> None:
    node.machine.run(["rm", "-r", "--force", BLOBS])
    for stage in (PULLING, LOADING):
        with node.starting(*FLAGS, until=stage):
            if stage == LOADING:
                pid = node.machine.run(["pgrep", "--full", LOADING[-1]]).split()[0]
                assert b"LD_LIBRARY_PATH" not in node.machine.read(f"/proc/{pid}/environ")
            node.kill_launcher()
        assert node.status()["state"] == "interrupted"
    with node.starting(*FLAGS, until=LOADING):
        node.machine.power_cut()
    node.machine.boot()
    node.machine.wait_until_up()
    assert node.status()["state"] == "closed"
    _run_containerd(node)
    before = traces.look(node.machine, socket=SOCKET, namespace=NAMESPACE)
    node.open("--runtime", "containerd", "--socket", SOCKET, *FLAGS)
    assert node.ssh("true").status == 0
    assert node.ctr("tasks", "ls", "-q", socket=SOCKET, namespace=NAMESPACE) == "hatchway-admin\n"
    node.close()
    after = traces.look(node.machine, socket=SOCKET, namespace=NAMESPACE)
    assert traces.added(before, after) == {}


def _run_containerd(node: HostDoor) -> None:
    places = ("--root", "/var/lib/host-containerd", "--state", "/run/host-containerd")
    argv = ("containerd", "--config", "/etc/host-containerd.toml", *places, "--address", SOCKET)
    node.machine.run(["systemd-run", f"--unit={UNIT}", "--property=KillMode=process", *argv])
    end = time.monotonic() + 60
    # Not its version: a power cut soon after its first start empties the file of its UUID for good,
    # and all that fails then is to ask for that.
    while not node.succeeds("ctr", "--address", SOCKET, "namespaces", "list"):
        assert time.monotonic() < end
        time.sleep(0.2)


def _fill(node: HostDoor, *, leave: int) -> None:
    """Fill the data disk but for some bytes; none of them are kept for root any more."""
    disk = node.machine.run(["findmnt", "-no", "SOURCE", "/var"]).strip()
    node.machine.run(["tune2fs", "-m", "0", disk])
    free = int(node.machine.run(["df", "--output=avail", "--block-size=1", "/var"]).split()[1])
    node.machine.run(["fallocate", "--length", str(free - leave), BALLAST])
