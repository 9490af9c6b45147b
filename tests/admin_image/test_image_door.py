# SPDX-License-Identifier: Apache-2.0
"""The real image: what an SSH client sees of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import paramiko
import pytest

from admin_image.spec import CONTRACT, CONTRACT_LABEL, DoorSpec
from tests.admin_image.door import Door, keygen, podman

pytestmark = pytest.mark.engine

TOOLS = [
    "ip",
    "ss",
    "ps",
    "top",
    "lsof",
    "strace",
    "tcpdump",
    "nft",
    "curl",
    "less",
    "vi",
    "jq",
    "dig",
    "findmnt",
    "journalctl",
    "systemctl",
    "rsync",
    "scp",
    "sftp",
    "ssh",
    "sudo",
    "nsenter",
    "python3",
    "busybox",
    "bash-static",
    "hostsh",
    "sheltie",
    "superman",
    "hostps",
    "ping",
    "nc",
    "traceroute",
    "dmesg",
    "lsblk",
    "openssl",
]


def test_the_image_says_which_contract_it_speaks(image: str) -> None:
    (found,) = json.loads(podman("image", "inspect", image))
    assert found["Config"]["Labels"][CONTRACT_LABEL] == str(CONTRACT)


def test_the_phase_names_the_supervisor_by_its_pid_on_the_host(door: Door) -> None:
    pid = door.phase().pid
    assert b"admin_image" in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_paramiko_sees_the_kept_host_key_and_publickey_alone(door: Door) -> None:
    expected = (door.place / "state/ssh/ssh_host_ed25519_key.pub").read_text().split()[1]
    transport = paramiko.Transport(("127.0.0.1", door.spec.port))
    try:
        transport.start_client(timeout=20)
        assert transport.get_remote_server_key().get_base64() == expected
        with pytest.raises(paramiko.BadAuthenticationType) as caught:
            transport.auth_none("admin")
        assert caught.value.allowed_types == ["publickey"]
    finally:
        transport.close()


def test_ssh_audit_warns_of_nothing_but_what_old_clients_need(door: Door) -> None:
    names = {line.split()[1] for line in audit(door.spec.port) if line.startswith("(")}
    assert names == {
        *("curve25519-sha256", "curve25519-sha256@libssh.org"),
        *("ecdh-sha2-nistp256", "diffie-hellman-group16-sha512"),
        *("ecdsa-sha2-nistp256", "hmac-sha2-256", "hmac-sha2-512"),
    }


def test_ssh_audit_finds_nothing_to_warn_of_where_all_is_post_quantum(
    image: str, tmp_path: Path
) -> None:
    with Door(tmp_path, DoorSpec(ssh_policy="post-quantum")) as door:
        assert door.phase().phase == "open", door.logs()
        assert audit(door.spec.port) == []
        host_keys = {path.name for path in (tmp_path / "state/ssh").glob("*.pub")}
    assert host_keys == {"ssh_host_ed25519_key.pub"}


def audit(port: int) -> list[str]:
    """The lines of ssh-audit with a failure or a warning."""
    program = Path(sys.executable).with_name("ssh-audit")
    command = (str(program), "--no-colors", "--skip-rate-test", f"--port={port}", "127.0.0.1")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "(kex) mlkem768x25519-sha256" in done.stdout
    lines = [line for line in done.stdout.splitlines() if "[fail]" in line or "[warn]" in line]
    assert (done.returncode == 0) == (not lines)
    return lines


def test_every_promised_tool_is_there(door: Door) -> None:
    found = door.ssh("for tool in", *TOOLS, "; do command -v $tool >/dev/null || echo $tool; done")
    assert (found.stdout, found.returncode) == ("", 0)


def test_every_program_finds_its_libraries(door: Door) -> None:
    done = door.ssh(
        "for f in /usr/bin/* /usr/sbin/*; do ldd $f 2>/dev/null | grep 'not found'; done; true"
    )
    assert done.stdout == ""


def test_sudo_is_silent_and_becomes_the_command(door: Door) -> None:
    # The container has the host's name, which its hosts file need not know.
    done = door.ssh("sudo sh -c 'echo $PPID $SUDO_USER; id -u; exit 3'; echo $? $$")
    parent, user, uid, status, shell = done.stdout.split()
    assert (done.stderr, user, uid, status) == ("", "admin", "0", "3")
    assert parent == shell


def test_a_non_interactive_command_has_the_whole_path_and_the_host(door: Door) -> None:
    assert "/usr/sbin" in door.ssh("echo $PATH").stdout
    assert door.ssh("echo $HOST; cat $HOST/etc/hostname").stdout.splitlines()[0] == "/host"


@pytest.mark.parametrize(
    "method", ["password", "keyboard-interactive", "hostbased", "gssapi-with-mic"]
)
def test_no_other_way_is_offered(door: Door, method: str) -> None:
    done = door.ssh("true", options=("-o", f"PreferredAuthentications={method}"))
    assert "Permission denied (publickey)" in done.stderr


def test_root_is_refused_although_the_key_is_right(door: Door) -> None:
    command = ("ssh", *door.options_of_ssh(), f"-p{door.spec.port}", "root@127.0.0.1", "true")
    assert subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 255


def test_a_key_that_was_taken_away_stays_out_without_a_restart(door: Door) -> None:
    keys = door.place / "run/authorized_keys"
    before = keys.read_text()
    keys.write_text("")
    try:
        assert door.ssh("true").returncode == 255
    finally:
        keys.write_text(before)
    assert door.ssh("true").returncode == 0


def test_files_travel_by_sftp_scp_and_rsync(door: Door, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(200_000))
    place, port = "admin@127.0.0.1:", str(door.spec.port)
    options, ssh = door.options_of_ssh(), " ".join(door.ssh_command()[:-2])
    copies = {
        "scp": ("scp", *options, "-P", port, str(source), f"{place}scp"),
        "legacy": ("scp", "-O", *options, "-P", port, str(source), f"{place}legacy"),
        "rsync": ("rsync", "-e", f"{ssh} -p {port}", str(source), f"{place}rsync"),
    }
    for name, command in copies.items():
        subprocess.run(command, check=True, timeout=60)
        assert door.ssh(f"cat {name} | wc -c").stdout.strip() == "200000"
    batch = tmp_path / "batch"
    batch.write_text(f"get scp {tmp_path}/back\n")
    subprocess.run(
        ("sftp", *options, "-P", port, "-b", str(batch), place),
        check=True,
        timeout=60,
        capture_output=True,
    )
    assert (tmp_path / "back").read_bytes() == source.read_bytes()


def test_a_local_port_is_forwarded_and_the_door_can_be_jumped_through(door: Door) -> None:
    jump = f"ProxyCommand={' '.join(door.ssh_command(options=('-W', '%h:%p')))}"
    assert door.ssh("echo there", options=("-o", jump)).stdout == "there\n"


def test_control_master_carries_many_sessions(door: Door, tmp_path: Path) -> None:
    master = (
        "-o",
        f"ControlPath={tmp_path}/m",
        "-o",
        "ControlMaster=auto",
        "-o",
        "ControlPersist=5",
    )
    assert [door.ssh(f"exit {n}", options=master).returncode for n in range(5)] == list(range(5))
    subprocess.run(
        door.ssh_command(options=(*master, "-O", "exit")),
        capture_output=True,
        timeout=10,
        check=False,
    )


def test_agents_and_x11_are_not_forwarded(door: Door) -> None:
    assert door.ssh("echo $SSH_AUTH_SOCK$DISPLAY", options=("-A", "-X")).stdout.strip() == ""


def test_the_words_of_other_systems_lead_to_the_host(door: Door) -> None:
    places = "/.lifsea/rootfs /.bottlerocket/rootfs /media/root /run/host"
    done = door.ssh(f"for p in {places}; do readlink $p; test -d $p/etc || echo no; done")
    assert done.stdout.split() == ["/host"] * 4


def test_nothing_of_the_host_can_be_written_by_path(door: Door, tmp_path: Path) -> None:
    mounts = door.execute("findmnt", "-R", "/host", "-rno", "FSTYPE,OPTIONS").splitlines()
    kinds = [line.split() for line in mounts]
    assert [
        kind for kind, options in kinds if kind != "autofs" and "ro" not in options.split(",")
    ] == []
    assert door.ssh(f"sudo touch /host{tmp_path}/x").returncode == 1


def test_a_forty_times_refused_loopback_is_not_penalised(door: Door) -> None:
    for _ in range(40):
        with socket.create_connection(("127.0.0.1", door.spec.port), timeout=5) as probe:
            probe.recv(100)
    assert door.ssh("true").returncode == 0


def test_a_start_and_a_stop_take_a_moment(image: str, tmp_path: Path) -> None:
    start = time.monotonic()
    with Door(tmp_path) as door:
        assert door.phase().phase == "open"
        opened = time.monotonic() - start
        podman("stop", "--time=10", door.name)
    assert opened < 10
    assert time.monotonic() - start - opened < 8


@pytest.mark.parametrize("user", ["ec2-user", "core", "_x-1"])
def test_the_user_may_have_any_name_that_is_free(image: str, tmp_path: Path, user: str) -> None:
    with Door(tmp_path, DoorSpec(user=user, password_hash="$6$salt$" + "x" * 86)) as door:
        assert door.phase().phase == "open", door.logs()
        assert door.ssh("id -un; sudo id -u").stdout.split() == [user, "0"]
        assert f"{user}:$6$salt$" in door.execute("cat", "/etc/shadow")


def test_a_certificate_of_a_trusted_ca_with_the_right_principal_opens(
    image: str, tmp_path: Path
) -> None:
    door = Door(tmp_path, DoorSpec(trusted_cas=True, principals=True))
    ca = tmp_path / "ca"
    keygen("-t", "ed25519", "-N", "", "-f", str(ca))
    door.write("authorized_keys", "")
    door.write("trusted_ca_keys", ca.with_suffix(".pub").read_text())
    door.write("principals", "sre\n")
    with door:
        assert door.phase().phase == "open", door.logs()
        for principal, expected in (("intern", 255), ("sre", 0)):
            keygen(
                "-s",
                str(ca),
                "-I",
                "test",
                "-n",
                principal,
                "-V",
                "+1h",
                str(door.key.with_suffix(".pub")),
            )
            assert door.ssh("true").returncode == expected


def test_the_users_algorithms_are_honoured(image: str, tmp_path: Path) -> None:
    kex = "ecdh-sha2-nistp384"
    with Door(
        tmp_path, DoorSpec(ciphers=("-chacha20*",), key_exchange_algorithms=(f"+{kex}",))
    ) as door:
        assert door.phase().phase == "open", door.logs()
        assert door.ssh("true", options=("-o", f"KexAlgorithms={kex}")).returncode == 0
        assert door.ssh("true", options=("-c", "chacha20-poly1305@openssh.com")).returncode == 255
