# SPDX-License-Identifier: Apache-2.0
"""A bundle from a host with planted faults and planted secrets, and what doctor says of it."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.toolbox.collect import browser
from tests.toolbox.collect.opened import Opened
from tests.toolbox.collect.planted import WORD
from tests.toolbox.collect.secrets_ import KEY_LINES, PEM
from tests.toolbox.doctor.test_checks import certificate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.refhost.door import HostDoor

pytest_plugins = ["tests.refhost.door_fixture"]
pytestmark = [pytest.mark.refhost, pytest.mark.timeout(600)]

BUNDLE = "/var/lib/bundle.tar.zst"
# Where a node has secrets, and what a collector may come across.
SECRET_FILES = {
    "/var/log/messages": f"a\nroot password: {WORD}-1\n{PEM}\n",
    "/etc/kubernetes/manifests/app.yaml": f"env:\n- name: DB_PASSWORD\n  value: {WORD}-2\n",
    "/var/lib/kubelet/kubeadm-flags.env": f"KUBELET_ARGS='--token {WORD}-3'\n",
    "/etc/systemd/system/secret.service": (
        f"[Service]\nEnvironment=PLAIN={WORD}-4\nExecStart=/bin/true\n"
    ),
    "/etc/hosts": f"127.0.0.1 localhost\n# https://u:{WORD}-5@registry.example.com/\n",
    "/var/lib/cloud/instance/user-data.txt": f"#!/bin/sh\n{WORD}-6\n",
    "/var/lib/kubelet/config.json": '{"auths":{"r":{"auth":"' + WORD + '-7"}}}',
    "/etc/hatchway/collect.d/greedy.conf": (
        "file passwords /etc/shadow\n"
        "file user-data /var/lib/cloud/instance/user-data.txt\n"
        "glob /var/lib/cloud/instance/*\n"
        "glob /var/log/rotated/*\n"
        "glob /proc/*/environ\n"
        "file registry /var/lib/kubelet/config.json\n"
        "exec environment systemctl show secret --property=Environment\n"
        "exec words echo abcdef.0123456789abcdef\n"
        "@borrow exec tracer strace --version\n"
        "wrong line here\n"
    ),
    "/etc/shadow": f"root:$6$salt$abcdefgh{WORD}-8:19000::::::\n",
}
TRACES = (WORD.encode(), b"0123456789abcdef", *(line.encode() for line in KEY_LINES))


@pytest.fixture(scope="module")
def faulty(node: HostDoor) -> Iterator[HostDoor]:
    """The node with a failed unit, a unit that restarts, a full disk, an OOM kill, a certificate
    that is over, and secrets in every usual place.
    """
    machine = node.machine
    for path, text in SECRET_FILES.items():
        machine.write(path, text.encode(), mode=0o600)
    machine.write("/var/log/rotated/app.1.gz", gzip.compress(f"token={WORD}-9\n".encode()))
    machine.write("/etc/kubernetes/pki/apiserver.crt", certificate(-30, -1))
    machine.write("/etc/kubernetes/manifests/etcd.yaml", b"apiVersion: v1\nkind: [\n")
    machine.write("/var/log/pods/default_web-0_uid/app/9.log", b"ended\n")
    machine.run(["systemctl", "mask", "crio.service"])
    systemd_run = ("systemd-run", "--quiet")
    machine.exec([*systemd_run, "--unit=planted-failure", "--wait", "false"])
    restarts = ("--property=Restart=always", "--property=RestartSec=100ms")
    endless = "--property=StartLimitIntervalSec=0"
    machine.run([*systemd_run, "--unit=planted-restarts", *restarts, endless, "true"])
    seldom = ("--property=Restart=always", "--property=RestartSec=1h")
    machine.run([*systemd_run, "--unit=planted-stuck", *seldom, "true"])
    machine.run(["mkdir", "-p", "/var/planted"])
    machine.run(["mount", "-t", "tmpfs", "-o", "size=4M", "planted", "/var/planted"])
    machine.exec(["dd", "if=/dev/zero", "of=/var/planted/ballast", "bs=64k", "count=62"])
    limits = ("--property=MemoryMax=8M", "--property=MemorySwapMax=0")
    machine.exec([*systemd_run, "--unit=planted-oom", *limits, "--wait", "tail", "/dev/zero"])
    # tail complains of the second file, in the journal, and goes on.
    follow = ("tail", "--follow", "/dev/null", f"token={WORD}-10")
    machine.run([*systemd_run, "--unit=planted-argv", f"--setenv=PLAIN={WORD}-11", *follow])
    end = time.monotonic() + 60
    while _restarts(node) < 5:
        assert time.monotonic() < end
        time.sleep(0.5)
    yield node
    machine.run(["systemctl", "stop", "planted-restarts", "planted-stuck", "planted-argv"])
    machine.run(["systemctl", "unmask", "crio.service"])
    machine.exec(["systemctl", "reset-failed"])
    machine.run(["umount", "/var/planted"])
    for path in SECRET_FILES:
        if path != "/etc/hosts":
            machine.run(["rm", "-f", path])
    machine.run(["rm", "-rf", "/etc/kubernetes", "/var/log/pods", "/var/log/rotated"])


def _restarts(node: HostDoor) -> int:
    argv = ["systemctl", "show", "--property=NRestarts", "--value", "planted-restarts"]
    return int(node.machine.run(argv).strip() or 0)


@pytest.fixture(scope="module")
def opened(faulty: HostDoor) -> Opened:
    began = time.monotonic()
    done = faulty.hatchway("toolbox", "collect", BUNDLE, "--output", "json")
    print(f"collected in {time.monotonic() - began:.1f} s")
    # One line of a recipe is wrong.
    assert done.status == 2, done.stderr
    facts = done.json()
    assert facts["ending"] == "complete"
    packed = faulty.machine.read(BUNDLE)
    if kept := os.environ.get("KEEP_BUNDLE"):  # to look at it
        Path(kept).write_bytes(packed)
    found = Opened.of(packed)
    found.check()
    faulty.machine.run(["rm", BUNDLE])
    return found


PLANTED_FAULTS = {
    "units.failed": "planted-failure.service",
    "units.restarts": "planted-restarts.service",
    "units.stuck": "planted-stuck.service",
    "units.masked": "crio.service",
    "disks.full": "/var/planted",
    "kernel.oom": "tail",
    "certificates.expired": "CN=system:node:n1",
    "pods.restarts": "default/web-0/app: 9 restarts",
    "pods.static": "/etc/kubernetes/manifests/etcd.yaml: not valid YAML",
}


@pytest.mark.parametrize("code", PLANTED_FAULTS)
def test_every_planted_fault_is_on_the_page(opened: Opened, code: str) -> None:
    (finding,) = (each for each in opened.manifest["checkup"]["findings"] if each["code"] == code)
    assert PLANTED_FAULTS[code] in "\n".join([finding["title"], *finding["evidence"]])
    assert PLANTED_FAULTS[code] in opened.page


def test_no_planted_secret_is_in_any_byte_of_the_bundle(opened: Opened) -> None:
    leaks = [
        (name, data[max(data.find(trace) - 60, 0) : data.find(trace) + 20])
        for name, data in opened.members.items()
        for trace in TRACES
        if trace in data or trace in _unpacked(data)
    ]
    assert leaks == []
    # It came across them, though.
    assert b"[redacted]" in opened.members["items/greedy/var/log/rotated/app.1.gz"]
    assert b"[redacted]" in opened.members["items/journal/var/log/messages"]
    refused = [i for i in opened.manifest["items"] if i["status"] == "refused"]
    assert {"/etc/shadow", "/var/lib/cloud/instance/user-data.txt"} <= {
        i["source"] for i in refused
    }


def _unpacked(data: bytes) -> bytes:
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else b""


def test_what_a_support_engineer_asks_for_is_there(opened: Opened) -> None:
    for path, words in {
        "items/kernel/kernel.log": b"Linux version 5.10",
        "items/kernel/processes": b"tail --follow /dev/null token=[redacted]",
        "items/boot/blame": b"containerd.service",
        "items/journal/journal.log": b"planted-failure",
        "items/units/failed": b"planted-failure.service",
        "items/disks/file-systems": b"/var/planted",
        "items/network/sockets": b"tcp LISTEN",
        "items/network/routes": b"0.0.0.0/0 via",
        "items/cgroups/cgroups": b"memory.current",
        "items/runtimes/containerd-version": b"containerd",
        "items/kubelet/certificates": b"apiserver.crt",
        "items/hatchway/settings.json": b"registries",
        "items/hatchway/state": b'"state": "closed"',
    }.items():
        assert words in opened.members.get(path, b""), path


def test_the_page_shows_the_boot_in_a_browser(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(opened.page)
    dom = browser.dom(tmp_path, tmp_path / "index.html")
    assert "containerd.service" in dom.partition('id="boot"')[2].partition('id="disks"')[0]
    assert browser.console(tmp_path, tmp_path / "index.html") == ""


def test_doctor_finds_the_same_and_ends_with_2(faulty: HostDoor) -> None:
    done = faulty.hatchway("doctor", "--host", "--output", "json")
    facts = json.loads(done.stdout)
    assert done.status == 2
    assert PLANTED_FAULTS.keys() <= {finding["code"] for finding in facts["findings"]}
    assert facts["gaps"] == {}
    text = faulty.hatchway("doctor")
    assert "planted-failure.service" in text.stdout
    assert WORD not in text.stdout + done.stdout


def test_a_bundle_is_streamed_to_a_channel_that_can_only_pipe(faulty: HostDoor) -> None:
    done = faulty.machine.exec(
        ("/opt/hatchway/hatchway", "toolbox", "collect", "-", "--only", "kernel", "--quiet")
    )
    streamed = Opened.of(done.stdout)
    streamed.check()
    assert streamed.manifest["began"] > dt.datetime(2026, 1, 1, tzinfo=dt.UTC).timestamp()


def test_a_program_that_the_host_lacks_is_borrowed_from_the_image_that_is_here(
    faulty: HostDoor,
) -> None:
    assert faulty.hatchway("image", "pull", "--pull", "missing").status == 0
    command = ("toolbox", "collect", BUNDLE, "--only", "greedy")
    assert faulty.hatchway(*command).status == 2  # one line of the recipe is wrong
    borrowed = Opened.of(faulty.machine.read(BUNDLE)).members["items/greedy/tracer"]
    assert borrowed.startswith(b"strace -- version")
