# SPDX-License-Identifier: Apache-2.0
"""Which keys open the door, what they may do, and with which algorithms."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engine.client import Client

if TYPE_CHECKING:
    from tests.engine.door import DoorCommand, Finished

pytestmark = [
    pytest.mark.engine,
    pytest.mark.parametrize("engine", ["podman"], indirect=True),
]

KINDS = {"rsa": ("rsa", "3072"), "ecdsa": ("ecdsa", "384"), "ed25519": ("ed25519", "256")}


def make_key(place: Path, name: str, *, kind: str = "ed25519", bits: str = "256") -> Path:
    key = place / name
    argv = ("ssh-keygen", "-q", "-t", kind, "-b", bits, "-N", "", "-C", name, "-f", str(key))
    subprocess.run(argv, check=True)
    return key


def start(door: DoorCommand, *arguments: str) -> Finished:
    """Start with these keys alone."""
    listen = ("--listen", f"127.0.0.1:{door.port}", "--output", "json")
    started = door.hatchway("admin", "start", *arguments, *listen, *door.flags)
    assert started.status == 0, started.stdout + started.stderr
    return started


def start_with_lines(door: DoorCommand, *lines: str) -> Finished:
    file = door.directory / "keys"
    file.write_text("".join(f"{line}\n" for line in lines))
    return start(door, "--key-file", str(file))


def public(key: Path) -> str:
    return Path(f"{key}.pub").read_text().strip()


def test_every_current_type_of_key_is_admitted(door: DoorCommand, tmp_path: Path) -> None:
    keys = [make_key(tmp_path, name, kind=kind, bits=bits) for name, (kind, bits) in KINDS.items()]
    flags = [word for key in keys for word in ("--key-file", f"{key}.pub")]
    started = start(door, *flags)
    assert [key["comment"] for key in started.json()["keys"]] == list(KINDS)
    for key in keys:
        assert Client.of(door, key=key, name=key.name).ssh("true").returncode == 0


def test_a_second_start_lets_a_key_in_and_nobody_out(door: DoorCommand, tmp_path: Path) -> None:
    door.start()
    new = make_key(tmp_path, "new")
    client = Client.of(door)
    with subprocess.Popen(
        client.argv("ssh", "door", "cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as session:
        assert session.stdin is not None
        assert session.stdout is not None
        for line in (b"before\n", b"after\n"):
            session.stdin.write(line)
            session.stdin.flush()
            assert session.stdout.readline() == line
            if line == b"before\n":
                assert Client.of(door, key=new, name="new").ssh("true").returncode == 255
                assert start(door, "--key-file", f"{new}.pub").json()["adopted"] is True
        assert Client.of(door, key=new, name="new").ssh("true").returncode == 0
        assert client.ssh("true").returncode == 0
        session.stdin.close()
        assert session.wait(20) == 0


def start_with_algorithms(door: DoorCommand, **lists: list[str]) -> Finished:
    data = door.directory / "user-data.json"
    data.write_text(json.dumps({"ssh": {"authorized_keys": [public(door.key)], **lists}}))
    listen = ("--listen", f"127.0.0.1:{door.port}", "--output", "json", *door.flags)
    return door.hatchway("admin", "start", "--user-data", str(data), *listen)


def test_the_user_datas_algorithms_are_the_only_ones(door: DoorCommand) -> None:
    exchange = ["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"]
    started = start_with_algorithms(
        door,
        ciphers=["aes256-ctr"],
        key_exchange_algorithms=exchange,
        macs=["hmac-sha2-256-etm@openssh.com"],
    )
    assert started.status == 0, started.stdout
    client = Client.of(door)
    agreed = client.ssh("true", "-v")
    assert agreed.returncode == 0
    assert b"cipher: aes256-ctr MAC: hmac-sha2-256-etm@openssh.com" in agreed.stderr
    for option in (
        "Ciphers=aes128-ctr",
        "MACs=hmac-sha2-512-etm@openssh.com",
        "KexAlgorithms=sntrup761x25519-sha512@openssh.com",
    ):
        refused = client.ssh("true", "-o", option)
        assert (refused.returncode, b"no matching" in refused.stderr) == (255, True), option
    for each in exchange:
        assert client.ssh("true", "-o", f"KexAlgorithms={each}").returncode == 0


@pytest.mark.parametrize(
    "lists",
    [
        {"ciphers": ["chacha20-poly1305@openssh.com"]},
        {"key_exchange_algorithms": ["sntrup761x25519-sha512@openssh.com"]},
        {"ciphers": ["aes256-ctr"], "macs": ["umac-128-etm@openssh.com"]},
    ],
    ids=["cipher", "key exchange", "mac"],
)
def test_algorithms_that_leave_no_way_to_prove_the_door_are_explained(
    door: DoorCommand, lists: dict[str, list[str]]
) -> None:
    refused = start_with_algorithms(door, **lists)
    assert (refused.status, refused.code()) == (1, "door.handshake")
    assert "that the proof speaks as well" in refused.json()["error"]["hint"]
    assert door.status()["state"] == "failed"


def test_a_key_is_admitted_only_from_where_it_may_come(door: DoorCommand, tmp_path: Path) -> None:
    near, far = make_key(tmp_path, "near"), make_key(tmp_path, "far")
    start_with_lines(door, f'from="127.0.0.1" {public(near)}', f'from="192.0.2.*" {public(far)}')
    assert Client.of(door, key=near, name="near").ssh("true").returncode == 0
    assert Client.of(door, key=far, name="far").ssh("true").returncode == 255


def test_a_key_with_a_command_runs_that_and_nothing_else(door: DoorCommand) -> None:
    start_with_lines(door, f'command="echo forced: $SSH_ORIGINAL_COMMAND" {public(door.key)}')
    done = Client.of(door).ssh("id; touch x")
    assert (done.returncode, done.stdout) == (0, b"forced: id; touch x\n")


def test_a_restricted_key_gets_no_terminal_and_forwards_nothing(door: DoorCommand) -> None:
    start_with_lines(door, f"restrict {public(door.key)}")
    client = Client.of(door)
    assert client.ssh("id -un").stdout == b"admin\n"
    assert b"PTY allocation request failed" in client.ssh("true", "-tt").stderr
    forwarded = client.run("ssh", "-W", f"127.0.0.1:{door.port}", "door")
    assert forwarded.returncode != 0
    assert b"SSH-2.0" not in forwarded.stdout
