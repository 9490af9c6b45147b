# SPDX-License-Identifier: Apache-2.0
"""Memory on the reference host, whose kernel is 5.10: control groups of both versions."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.engine.toolbox import eventually
from tests.refhost.door import HostDoor
from tests.refhost.machine import Machine
from tests.refhost.registry import registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest_plugins = ["tests.refhost.door_fixture"]
pytestmark = [pytest.mark.refhost, pytest.mark.timeout(600)]

FILE = "/tmp/hatchway-test"


@pytest.fixture
def older(admin_archive: Path, program: Path, ssh_key: Path, tmp_path: Path) -> Iterator[HostDoor]:
    """A host that was booted with the older control groups."""
    files = {"/opt/hatchway": program}
    cmdline = ("systemd.unified_cgroup_hierarchy=0",)
    with registry() as source, Machine(files=files, cmdline=cmdline) as machine:
        machine.write("/etc/hatchway/config.toml", source.settings())
        yield HostDoor(machine, source, ssh_key, tmp_path)


@pytest.fixture(params=["v2", "v1"])
def host(request: pytest.FixtureRequest) -> HostDoor:
    """The shared host, or the older one."""
    found: HostDoor = request.getfixturevalue("node" if request.param == "v2" else "older")
    return found


def test_a_write_into_memory_ends_its_own_session_and_is_told(host: HostDoor) -> None:
    opened = host.open("--memory", "192M")
    assert [note for note in opened["notes"] if "groups" in note] == []
    with subprocess.Popen(
        host.ssh_argv("cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert _answers(other)
        attack = host.ssh(f"hostsh dd if=/dev/zero of={FILE} bs=1M count=500")
        assert attack.status != 0
        assert _answers(other)
        assert host.ssh("sudo cat /proc/self/oom_score_adj").stdout == "0\n"
        assert host.ssh("python3 -c 'bytearray(500 << 20)'; echo $?").stdout == "137\n"
        assert other.stdin is not None
        other.stdin.close()
    status = host.status()
    assert (status["pid"], status["ready"]) == (opened["pid"], True)
    assert host.machine.read(f"/proc/{opened['pid']}/oom_score_adj") == b"-900\n"
    assert eventually(lambda: "files in memory" in _notes(host))
    assert "python3 was killed: memory limit" in _notes(host)
    assert host.ssh(f"hostsh rm {FILE}").status == 0
    assert eventually(lambda: "files in memory" not in _notes(host))
    held = host.hatchway("admin", "exec", "cat", "/proc/self/cgroup").stdout
    assert "/hatchway/hatchway-admin/sessions/" in held
    host.close()
    assert "hatchway-admin" not in host.machine.run(["ls", "-R", "/sys/fs/cgroup"])


def _notes(host: HostDoor) -> str:
    return "\n".join(host.status()["notes"])


def _answers(inside: subprocess.Popen[bytes]) -> bool:
    assert inside.stdin is not None
    assert inside.stdout is not None
    inside.stdin.write(b"still here\n")
    inside.stdin.flush()
    return inside.stdout.readline() == b"still here\n"
