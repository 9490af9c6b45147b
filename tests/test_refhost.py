# SPDX-License-Identifier: Apache-2.0
"""The reference host is what it claims to be: the rest of the tests lean on it."""

from __future__ import annotations

import contextlib
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.refhost.agent import ExecTimeoutError
from tests.refhost.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.refhost, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """A machine of this module's own, as its power is cut; the tests share its three boots."""
    here = Path(__file__).parent / "refhost"
    with Machine(files={"/opt/parcel": here}, forwards={2222: 0}, disks=["64M"]) as machine:
        yield machine


@pytest.mark.parametrize("shell", ["sh", "/bin/sh", "/bin/bash", "dash", "busybox"])
def test_it_has_no_shell(machine: Machine, shell: str) -> None:
    with pytest.raises(FileNotFoundError):
        machine.exec([shell, "-c", "true"])


def test_it_has_no_interpreter_no_sshd_and_no_package_manager(machine: Machine) -> None:
    programs = set(machine.run(["ls", "/usr/bin", "/usr/sbin", "/usr/local"]).split())
    assert "ctr" in programs
    unwanted = {"python3", "perl", "sshd", "apt-get", "dpkg", "zsh", "rbash", "tar"}
    assert not programs & unwanted


def test_its_root_is_a_read_only_squashfs(machine: Machine) -> None:
    assert machine.run(["findmnt", "-n", "-o", "FSTYPE", "/"]).strip() == "squashfs"
    assert b"Read-only file system" in machine.exec(["touch", "/usr/x"]).stderr


def test_its_root_is_propagated_as_systemd_does(machine: Machine) -> None:
    assert machine.run(["findmnt", "-n", "-o", "PROPAGATION", "/"]).strip() == "shared"


@pytest.mark.parametrize("path", ["/opt", "/usr/local", "/root", "/home", "/mnt"])
def test_what_people_add_lies_on_the_data_disk(machine: Machine, path: str) -> None:
    assert machine.run(["realpath", path]).startswith("/var/")


@pytest.mark.parametrize("path", ["/run", "/tmp"])
def test_what_may_be_lost_lies_in_memory(machine: Machine, path: str) -> None:
    assert machine.run(["findmnt", "-n", "-o", "FSTYPE", path]).strip() == "tmpfs"


def test_nothing_runs_from_etc(machine: Machine) -> None:
    machine.run(["cp", "/usr/bin/true", "/etc/true"])
    with pytest.raises(PermissionError):
        machine.exec(["/etc/true"])


def test_it_says_that_it_is_lifsea(machine: Machine) -> None:
    assert b"\nID=lifsea\n" in machine.read("/etc/os-release")


def test_its_kernel_and_libc_are_those_of_containeros(machine: Machine) -> None:
    assert machine.run(["uname", "-r"]).startswith("5.10.")
    assert "version 2.31" in machine.run(["/lib/x86_64-linux-gnu/libc.so.6"])


def test_its_boot_leaves_no_unit_failed(machine: Machine) -> None:
    assert machine.wait_until_up() == "running"


def test_containerd_answers(machine: Machine) -> None:
    assert "1.4.13" in machine.run(["ctr", "version"]).partition("Server:")[2]


def test_kubelet_records_when_it_started(machine: Machine) -> None:
    assert machine.run(["systemctl", "is-active", "kubelet"]).strip() == "active"
    started = float(machine.run(["stat", "--format=%.3Y", "/run/kubelet.started"]))
    assert abs(time.time() - started) < 600


def test_a_command_gets_its_input_environment_and_status(machine: Machine) -> None:
    assert machine.exec(["cat"], input=b"\x00in\xff").stdout == b"\x00in\xff"
    assert machine.exec(["printenv", "WHO"], env={"WHO": "me"}).stdout == b"me\n"
    assert machine.exec(["ls", "/nowhere"]).status == 2


def test_a_command_that_runs_too_long_is_killed(machine: Machine) -> None:
    with pytest.raises(ExecTimeoutError):
        machine.exec(["sleep", "987"], timeout=0.5)
    assert machine.exec(["pgrep", "-f", "sleep 987"]).status == 1


def test_a_command_that_a_signal_ended_has_its_negative_number(machine: Machine) -> None:
    assert machine.exec(["timeout", "--signal=KILL", "0.1", "sleep", "9"]).status == -9


def test_a_tree_is_there_from_the_first_boot(machine: Machine) -> None:
    assert (
        machine.read("/opt/parcel/machine.py")
        == Path(__file__).with_name("refhost").joinpath("machine.py").read_bytes()
    )


def test_a_tree_can_be_brought_while_it_runs(machine: Machine, tmp_path: Path) -> None:
    program = tmp_path / "tree" / "program"
    program.parent.mkdir()
    program.write_bytes(b"x" * 1_000_000)
    program.chmod(0o751)
    machine.copy_in(program.parent, "/opt/brought")
    assert (
        machine.run(["stat", "--format=%s %a %U", "/opt/brought/program"]) == "1000000 751 root\n"
    )


def test_a_further_disk_is_found_by_its_name(machine: Machine) -> None:
    assert (
        machine.run(["blockdev", "--getsize64", "/dev/disk/by-id/virtio-disk0"]) == f"{64 << 20}\n"
    )


def test_its_ports_are_reached_from_outside(machine: Machine) -> None:
    echo = ["systemd-socket-activate", "--listen=2222", "--inetd", "--accept", "/usr/bin/cat"]
    machine.run(["systemd-run", "--unit=echo", *echo])
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with (
            socket.create_connection(("127.0.0.1", machine.forwards[2222]), timeout=10) as client,
            # QEMU accepts at once, and resets when nobody listens in the host yet.
            contextlib.suppress(ConnectionError, TimeoutError),
        ):
            client.sendall(b"hello")
            if client.recv(16) == b"hello":
                return
        time.sleep(0.5)
    pytest.fail("nobody answered on the forwarded port")


def test_it_reaches_this_machine_for_its_images(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as registry:
        registry.settimeout(60)
        image = f"10.0.2.2:{registry.getsockname()[1]}/some/image:1"
        with ThreadPoolExecutor() as pool:
            argv = ["ctr", "image", "pull", "--plain-http", image]
            pulling = pool.submit(machine.exec, argv)
            client, _ = registry.accept()
            with client:
                assert client.recv(4096).startswith(b"HEAD /v2/some/image/manifests/1 ")
                client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            registry.close()
            assert pulling.result().status == 1


def test_a_reboot_keeps_what_was_changed(machine: Machine) -> None:
    before = machine.boot_id()
    machine.write("/opt/parcel/machine.py", b"changed")
    assert machine.reboot() == "running"
    assert machine.boot_id() != before
    assert machine.read("/opt/parcel/machine.py") == b"changed"


def test_its_disk_outlives_a_power_cut_and_its_memory_does_not(machine: Machine) -> None:
    before = machine.boot_id()
    machine.write("/etc/kept/file", b"kept", mode=0o600)
    machine.write("/run/lost", b"lost")
    machine.run(["sync"])
    machine.power_cut()
    assert not machine.running
    machine.boot()
    machine.wait_until_up()
    assert machine.boot_id() != before
    assert machine.read("/etc/kept/file") == b"kept"
    assert machine.exec(["stat", "/run/lost"]).status == 1
    boots = machine.run(["journalctl", "--list-boots", "--no-pager"]).splitlines()
    assert len(boots) == 3
    assert machine.console.count("Reached target") > 2
