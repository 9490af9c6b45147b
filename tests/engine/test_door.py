# SPDX-License-Identifier: Apache-2.0
"""The door on every engine of this machine, from closed to closed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.engine.door import DoorCommand, free_port
from tests.engine.toolbox import eventually

pytestmark = pytest.mark.engine


def test_a_started_door_admits_the_key_and_a_stopped_one_leaves_nothing(door: DoorCommand) -> None:
    started = door.start()
    assert started.status == 0, started.stderr
    said = started.json()
    assert (said["state"], said["ready"], said["adopted"]) == ("open", True, False)
    assert said["host_key_fingerprint"].startswith("SHA256:")
    inside = door.ssh("id -un; sudo id -u; test -e /host/etc/passwd && echo host")
    assert (inside.status, inside.stdout) == (0, "admin\n0\nhost\n")
    pid = said["pid"]
    assert door.stop().json() == {"state": "closed", "was_open": True, "uncleared": None}
    assert not Path(f"/proc/{pid}").exists()
    assert door.status()["state"] == "closed"
    assert not Path("/run/hatchway/admin").exists()
    mounts = Path("/proc/self/mountinfo").read_text()
    assert "hatchway-admin" not in mounts
    quiet = door.hatchway("admin", "stop", "--quiet", *door.flags)
    assert (quiet.status, quiet.stdout, quiet.stderr) == (0, "", "")
    assert door.stop().json() == {"state": "closed", "was_open": False, "uncleared": None}


def test_nothing_below_the_view_of_the_host_can_be_written(door: DoorCommand) -> None:
    door.start()
    script = "for d in /host /host/run /host/dev/shm /host/sys/fs/cgroup; do touch $d/x; done"
    refused = door.ssh(f"sudo sh -c '{script}'")
    assert refused.status == 1
    assert refused.stderr.count("Read-only file system") == 4


def test_a_second_start_adopts_the_open_door_and_lets_its_key_in(
    door: DoorCommand, tmp_path: Path
) -> None:
    first = door.start().json()
    other = tmp_path / "other"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)), check=True)
    second = door.start("--key-file", f"{other}.pub")
    assert second.status == 0, second.stderr
    said = second.json()
    assert (said["adopted"], said["pid"]) == (True, first["pid"])
    assert len(said["keys"]) == 2
    assert door.ssh("true", options=("-i", str(other), "-o", "IdentitiesOnly=yes")).status == 0


def test_an_adopted_door_that_is_not_as_asked_is_degraded(door: DoorCommand) -> None:
    door.start()
    argv = ("--key-file", f"{door.key}.pub", "--listen", str(free_port()), "--output", "json")
    second = door.hatchway("admin", "start", *argv, *door.flags)
    assert second.status == 2
    assert any("port is" in difference for difference in second.json()["differences"])


def test_what_an_open_door_cannot_take_over_is_told(door: DoorCommand, tmp_path: Path) -> None:
    door.start()
    data = tmp_path / "user-data.json"
    data.write_text(json.dumps({"ssh": {"key-exchange-algorithms": ["+curve25519-sha256"]}}))
    authority = ("--trusted-ca", f"{door.key}.pub", "--principal", "oncall")
    policy = ("--ssh-policy", "post-quantum")
    second = door.start(*authority, *policy, "--user-data", str(data))
    assert second.status == 2
    told = " ".join(second.json()["differences"])
    for word in ("CAs", "principals", "algorithms", "SSH policy"):
        assert word in told


def test_the_host_key_stays_over_stop_and_restart(door: DoorCommand) -> None:
    first = door.start().json()
    door.stop()
    second = door.start().json()
    assert first["host_key"] == second["host_key"]
    restarted = door.hatchway("admin", "restart", "--output", "json")
    assert restarted.status == 0, restarted.stderr
    third = restarted.json()
    assert third["pid"] != second["pid"]
    for fact in ("host_key", "host_keys", "port", "user", "keys", "image_digest"):
        assert second[fact] == third[fact]
    assert door.ssh("true").status == 0


def test_exec_is_a_pipe_with_the_commands_own_status(door: DoorCommand) -> None:
    door.start()
    counted = door.hatchway("admin", "exec", "wc", "-c", stdin="12345")
    assert (counted.status, counted.stdout.strip()) == (0, "5")
    assert door.hatchway("admin", "exec", "sh", "-c", "exit 7").status == 7
    assert door.hatchway("admin", "exec", "sh", "-c", "kill -TERM $$").status == -15
    assert door.hatchway("admin", "exec", "no-such-program").status == 127
    assert door.hatchway("admin", "exec", "/etc/passwd").status == 126
    assert door.hatchway("admin", "shell", stdin="echo $HOST; exit 3").stdout == "/host\n"


def test_exec_ends_with_the_door(door: DoorCommand) -> None:
    door.start()
    argv = ("hatchway", "admin", "exec", "sleep", "600")
    program = Path(os.sys.executable).parent / "hatchway"  # type: ignore[attr-defined]
    with subprocess.Popen(argv, executable=program) as inside:
        while b"sleep" not in Path(f"/proc/{inside.pid}/cmdline").read_bytes()[:5]:
            pass
        door.stop()
        inside.wait(30)


def test_without_a_door_exec_says_so_with_125(door: DoorCommand) -> None:
    refused = door.hatchway("admin", "exec", "true")
    assert refused.status == 125
    assert "container.not-running" in refused.stderr


def test_status_tells_who_is_inside(door: DoorCommand) -> None:
    door.start()
    options = door.ssh_options(door.status()["known_hosts"])
    argv = ("ssh", *options, "-p", str(door.port), "admin@127.0.0.1", "cat")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as inside:
        assert inside.stdin is not None
        assert inside.stdout is not None
        inside.stdin.write(b"x\n")
        inside.stdin.flush()
        inside.stdout.readline()
        sessions = door.status()["sessions"]
        inside.stdin.close()
    assert [(each["user"], each["address"]) for each in sessions] == [("admin", "127.0.0.1")]


def test_the_dry_run_prints_the_plan_and_does_nothing(door: DoorCommand) -> None:
    planned = door.start("--dry-run")
    assert planned.status == 0, planned.stderr
    plan = planned.json()["plan"]
    assert plan["image"]["config_digest"].startswith("sha256:")
    assert {mount["target"] for mount in plan["mounts"]} >= {"/host", "/dev"}
    assert door.status()["state"] == "closed"
    started = door.start().json()
    assert planned.json()["digest"] == started["plan"]


def test_the_plan_is_what_the_kernel_shows(door: DoorCommand) -> None:
    plan = door.start("--dry-run").json()["plan"]
    pid = door.start().json()["pid"]
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    from launcher.host import CAPABILITIES

    held = {name for bit, name in enumerate(CAPABILITIES) if int(status["CapBnd"], 16) >> bit & 1}
    assert held == {capability["name"] for capability in plan["capabilities"]}
    for kind in ("pid", "net", "ipc", "uts"):
        assert Path(f"/proc/{pid}/ns/{kind}").readlink() == Path(f"/proc/self/ns/{kind}").readlink()
    assert Path(f"/proc/{pid}/ns/mnt").readlink() != Path("/proc/self/ns/mnt").readlink()
    groups = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    memory = next(line.split(":")[2] for line in groups if ":memory:" in line)
    # The supervisor stands in a group of its own, below the container's.
    container = Path("/sys/fs/cgroup/memory", memory.lstrip("/")).parent
    limit = container / "memory.limit_in_bytes"
    assert int(limit.read_text()) == plan["limits"]["memory"]


def test_a_door_that_would_accept_none_of_its_keys_is_no_door(door: DoorCommand) -> None:
    first = door.start().json()
    keys = Path("/run/hatchway/admin/authorized_keys")
    keys.write_text(f'from="192.0.2.1" {keys.read_text()}')
    again = door.start()
    assert again.status == 1
    assert again.code() == "door.keys-refused"
    assert door.status()["pid"] == first["pid"]


def test_the_log_tells_who_came_with_which_key(door: DoorCommand) -> None:
    door.start()
    door.ssh("true")
    fingerprint = door.status()["keys"][0]["fingerprint"]

    def told() -> bool:
        lines = door.hatchway("admin", "logs").stdout.splitlines()
        return any("Accepted publickey" in line and fingerprint in line for line in lines)

    assert eventually(told)


def test_bottlerockets_user_data_opens_the_door(door: DoorCommand, tmp_path: Path) -> None:
    public = Path(f"{door.key}.pub").read_text().strip()
    data = tmp_path / "user-data.json"
    data.write_text(json.dumps({"user": "ec2-user", "ssh": {"authorized_keys": [public]}}))
    listen = ("--listen", f"127.0.0.1:{door.port}", "--output", "json")
    started = door.hatchway("admin", "start", "--user-data", str(data), *listen, *door.flags)
    assert started.status == 0, started.stderr
    assert door.ssh("id -un").stdout == "ec2-user\n"


def test_a_certificate_with_an_admitted_principal_enters_and_others_do_not(
    door: DoorCommand, tmp_path: Path
) -> None:
    authority = tmp_path / "ca"
    user = tmp_path / "user"
    for key in (authority, user):
        subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)), check=True)
    listen = ("--listen", f"127.0.0.1:{door.port}", "--principal", "oncall", "--output", "json")
    trusted = ("--trusted-ca", f"{authority}.pub")
    started = door.hatchway("admin", "start", *trusted, *listen, *door.flags)
    assert started.status == 0, started.stderr
    for principal, status in (("oncall", 0), ("intern", 255)):
        sign = ("ssh-keygen", "-q", "-s", str(authority), "-I", "x", "-n", principal)
        subprocess.run((*sign, f"{user}.pub"), check=True)
        options = ("-i", str(user), "-o", "IdentitiesOnly=yes")
        certificate = ("-o", f"CertificateFile={user}-cert.pub")
        assert door.ssh("true", options=(*options, *certificate)).status == status


def test_a_revoked_key_is_out_from_the_next_login_on_and_after_a_restart(
    door: DoorCommand, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)), check=True)
    door.start("--key-file", f"{other}.pub")
    listen = ("--listen", f"127.0.0.1:{door.port}", "--output", "json")
    revoked = ("--key-file", f"{other}.pub", "--revoked-keys", f"{door.key}.pub")
    for again in (("start", *revoked, *listen, *door.flags), ("restart", "--output", "json")):
        done = door.hatchway("admin", *again)
        assert done.status == 0, done.stdout + done.stderr
        assert [key["source"] for key in done.json()["keys"]] == [f"{other}.pub:1"]
        assert door.ssh("true").status == 255
        assert door.ssh("true", options=("-i", str(other))).status == 0
