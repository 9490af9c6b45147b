# SPDX-License-Identifier: Apache-2.0
"""A container of Kubernetes on the reference host, looked into and left as it was.

Kernel 5.10, containerd 1.4, no shell on the host and none in the container.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine import intruder
from tests.engine.intruder import SCRIPT, SESSIONS, devices
from tests.engine.target import PROGRAM, SCRATCH
from tests.engine.toolbox import busybox_archive
from tests.refhost.door import HATCHWAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.door import Finished
    from tests.refhost.door import HostDoor

pytest_plugins = ["tests.refhost.door_fixture"]
pytestmark = [pytest.mark.refhost, pytest.mark.timeout(600)]

KUBERNETES = "k8s.io"
SCENE, MARKER = "/run/scene", "/var/marker"
NAMES = {"web-0": "a" * 64, "web-1": "ab" * 32}


@dataclasses.dataclass(frozen=True)
class Pod:
    """Its only container; `snapshot` is all that the host can see of it."""

    node: HostDoor
    id: str
    pid: int

    def snapshot(self) -> list[str]:
        root = f"/proc/{self.pid}/root/"
        run = self.node.machine.run
        names = [name for name in run(["ls", "-A", root]).split() if name not in {"proc", "sys"}]
        listing = ("ls", "-lAnR", "--time-style=full-iso")
        return [
            run([*listing[:2], "-d", listing[2], root]),
            run([*listing, *(f"{root}{name}" for name in names)]),
            run(["sha256sum", f"{root}{PROGRAM}"]),
            run(["cat", f"/proc/{self.pid}/mountinfo"]),
            self.node.ctr("tasks", "ps", self.id, namespace=KUBERNETES),
            "\n".join(
                line
                for line in run(["ps", "-e", "-o", "pidns=,netns=,ipcns=,mntns=,pid="]).splitlines()
                if set(line.split()[:4]) & set(self.namespaces())
            ),
        ]

    def namespaces(self) -> list[str]:
        argv = ["ps", "-o", "pidns=,netns=,ipcns=,mntns=", "-p", str(self.pid)]
        return self.node.machine.run(argv).split()

    def beside(self, *argv: str) -> Finished:
        return self.node.hatchway("toolbox", "run", "--quiet", *argv)


@pytest.fixture(scope="module")
def pods(node: HostDoor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Pod]]:
    """Two pods as containerd's CRI plugin leaves them: one static program, a read-only root."""
    archive = tmp_path_factory.mktemp("scratch") / "scratch.tar"
    busybox_archive(archive, SCRATCH, (PROGRAM,), user="1234:1234")
    node.machine.copy_in(archive, "/var/scratch.tar")
    node.ctr("images", "import", "/var/scratch.tar", namespace=KUBERNETES)
    for pod, identity in NAMES.items():
        labels = {
            "io.kubernetes.pod.name": pod, "io.kubernetes.pod.namespace": "shop",
            "io.kubernetes.container.name": "app", "io.cri-containerd.kind": "container",
        }  # fmt: skip
        words = [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
        node.ctr(
            "run", "--detach", "--null-io", "--read-only", *words, SCRATCH, identity,
            f"/{PROGRAM}", "100000", namespace=KUBERNETES,
        )  # fmt: skip
    tasks = [line.split() for line in node.ctr("tasks", "ls", namespace=KUBERNETES).splitlines()]
    pids = {words[0]: int(words[1]) for words in tasks[1:]}
    yield {pod: Pod(node, identity, pids[identity]) for pod, identity in NAMES.items()}
    for identity in NAMES.values():
        # The shim of a task that is only killed lives on, deaf to SIGTERM: at a reboot, systemd
        # waits 90 s for it. Some versions of ctr end with the status of the task.
        node.machine.exec(["ctr", "-n", KUBERNETES, "tasks", "rm", "--force", identity])
        node.ctr("containers", "rm", identity, namespace=KUBERNETES)


def test_a_pod_is_seen_whole_through_its_name_and_is_the_same_afterwards(
    pods: dict[str, Pod],
) -> None:
    pod = pods["web-0"]
    before = pod.snapshot()
    script = (
        f"ls /target; ps -o args= 1; ip -br link; readlink /proc/self/ns/net;"
        f" sha256sum /target/{PROGRAM}; strace -qq -p 1 -e trace=none & sleep 1;"
        " kill $!; setsid sleep 555 & exit 7"
    )
    seen = pod.beside("--target", "pod/web-0", "--", "sh", "-c", script)
    assert seen.status == 7, seen.stderr
    assert f"/{PROGRAM} 100000" in seen.stdout
    assert seen.stdout.count("lo ") == 1
    assert f"net:[{pod.namespaces()[1]}]" in seen.stdout
    assert pod.snapshot() == before


def test_a_pod_can_be_the_root_and_is_the_same_afterwards(pods: dict[str, Pod]) -> None:
    pod = pods["web-1"]
    before = pod.snapshot()
    script = f"ls /; touch ~/x && echo home; jq --version; /{PROGRAM} 0.01 && echo own; ls /host"
    asked = ("--root", "target", "--target", f"containerd://{pod.id[:5]}")
    seen = pod.beside(*asked, "--", "sh", "-c", script)
    assert {"home", "own", PROGRAM} <= set(seen.stdout.split()), seen.stderr
    assert "jq-" in seen.stdout
    assert "/host: No such file" in seen.stderr.replace("'", "")
    assert pod.snapshot() == before


def test_who_observes_cannot_write_to_the_target(pods: dict[str, Pod]) -> None:
    """Kernel 5.10 makes no tree read-only by one call: its volumes are made so one by one."""
    asked = ("--profile", "observe", "--target", "pod/shop/web-0/app")
    refused = pods["web-0"].beside(*asked, "--", "touch", "/target/run/x", "/target/dev/shm/x")
    assert refused.stderr.count("Read-only file system") == 2


def test_a_slip_of_the_finger_and_an_ambiguous_name_are_answered_with_the_names(
    pods: dict[str, Pod],
) -> None:
    slip = pods["web-0"].beside("--target", "pod/wbe-0", "--", "true")
    assert slip.status == 125
    assert "k8s://shop/web-0/app" in slip.stderr
    several = pods["web-0"].beside("--target", "containerd://a", "--", "true")
    assert several.status == 125
    assert "target.ambiguous" in several.stderr
    for pod in NAMES:
        assert f"shop/{pod}/app" in several.stderr


@contextlib.contextmanager
def hostile(pod: Pod) -> Iterator[dict[str, Any]]:
    """A hostile process in a pod, put there from a toolbox; its report comes with the end."""
    machine = pod.node.machine
    machine.write(f"{SCENE}/intruder.py", Path(intruder.__file__).read_bytes())
    machine.write(MARKER, b"of the host")
    found = devices(machine.read("/proc/1/mountinfo").decode())
    theirs = json.dumps(
        sorted(found - devices(machine.read(f"/proc/{pod.pid}/mountinfo").decode()))
    )
    script = f"""
        cd /host{SCENE}; (echo '{theirs}'; until [ -e stop ]; do sleep 0.2; done) |
        python3 -I intruder.py {pod.pid} {MARKER} /host > report
    """
    argv = ("--profile", "sysadmin", "--host-rw", "--", "sh", "-c", script)
    report: dict[str, Any] = {}
    with ThreadPoolExecutor(1) as pool:
        command = (HATCHWAY, "toolbox", "run", "--quiet", *argv)
        scanning = pool.submit(machine.exec, command, timeout=500)
        try:
            while b"ready" not in machine.exec(["cat", f"{SCENE}/report"]).stdout:
                assert not scanning.done(), scanning.result()
                time.sleep(0.2)
            yield report
        finally:
            machine.write(f"{SCENE}/stop", b"")
        ended = scanning.result()
    assert ended.status == 0, ended.stderr
    report |= json.loads(machine.read(f"{SCENE}/report").decode().partition("\n")[2])
    machine.run(["rm", "-r", SCENE, MARKER])


def test_a_hostile_pod_finds_nothing_of_the_host_in_any_session(pods: dict[str, Pod]) -> None:
    pod = pods["web-0"]
    with hostile(pod) as report:
        # `observe`, and what can do most: the host is slow, and all are tried on the engines.
        for flags in (SESSIONS[0], SESSIONS[-1]):
            done = pod.beside(*flags, "--target", "pod/web-0", "--", "sh", "-c", SCRIPT)
            assert done.status == 0, done.stderr
    assert report["found"] == {}
    assert {"python3", "sleep"} <= {name for _, name in report["met"]}


def test_a_process_of_the_host_is_a_target_as_well(node: HostDoor, pods: dict[str, Pod]) -> None:
    pid = node.machine.run(["pgrep", "-x", "containerd"]).split()[0]
    seen = pods["web-0"].beside("--target", f"pid:{pid}", "--", "cat", "/target/etc/os-release")
    assert (seen.status, "ID=lifsea" in seen.stdout) == (0, True), seen.stderr
