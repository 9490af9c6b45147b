# SPDX-License-Identifier: Apache-2.0
"""Clients that people have, also old ones, and the door as it is by default.

docs/ssh-clients.md tells which others were tried by hand.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import subprocess
from typing import TYPE_CHECKING

import pytest

from admin_image import algorithms, spec

if TYPE_CHECKING:
    from pathlib import Path

    from tests.admin_image.door import Door

pytestmark = pytest.mark.engine


@dataclasses.dataclass(frozen=True)
class Spoken:
    """What an old client speaks of what OpenSSH still knows, the best first."""

    kex: str
    host_keys: str
    ciphers: str
    macs: str

    def options(self) -> tuple[str, ...]:
        words = {
            "KexAlgorithms": self.kex, "HostKeyAlgorithms": self.host_keys,
            "Ciphers": self.ciphers, "MACs": self.macs,
        }  # fmt: skip
        return tuple(f"-o{name}={value}" for name, value in words.items())


OLD = {
    "OpenSSH 8.0": Spoken(
        "curve25519-sha256,ecdh-sha2-nistp256", "ecdsa-sha2-nistp256,ssh-ed25519",
        "chacha20-poly1305@openssh.com,aes128-ctr", "umac-64-etm@openssh.com",
    ),
    "a FIPS client": Spoken(
        "ecdh-sha2-nistp256,ecdh-sha2-nistp384", "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384",
        "aes256-gcm@openssh.com,aes256-ctr", "hmac-sha2-256-etm@openssh.com",
    ),
    "libssh2 1.10": Spoken(
        "ecdh-sha2-nistp256,diffie-hellman-group14-sha1", "ecdsa-sha2-nistp256",
        "aes256-ctr,aes192-ctr,aes128-ctr", "hmac-sha2-256,hmac-sha1",
    ),
    "JSch 0.1.55": Spoken(
        "ecdh-sha2-nistp256,diffie-hellman-group14-sha1", "ecdsa-sha2-nistp256",
        "aes128-ctr,aes128-cbc,3des-cbc", "hmac-md5,hmac-sha1,hmac-sha2-256",
    ),
    "one that knows no elliptic curve but the host key's": Spoken(
        "diffie-hellman-group16-sha512", "ecdsa-sha2-nistp256",
        "aes256-ctr", "hmac-sha2-512",
    ),
}  # fmt: skip


@pytest.mark.parametrize("client", OLD.values(), ids=OLD)
def test_a_client_that_knows_nothing_newer_comes_in(client: Spoken, door: Door) -> None:
    known = ("-o", f"UserKnownHostsFile={door.place}/known_hosts.old")
    assert door.ssh("echo in", options=(*client.options(), *known)).stdout == "in\n"


def test_a_client_with_hybrids_takes_one(door: Door) -> None:
    said = door.ssh("true", options=("-v",)).stderr
    chosen = said.partition("kex: algorithm: ")[2].splitlines()[0]
    assert chosen.startswith(("mlkem768x25519-", "sntrup761x25519-"))


def test_dropbears_client_comes_in(door: Door) -> None:
    key = door.place / "id.dropbear"
    convert = ("dropbearconvert", "openssh", "dropbear", str(door.key), str(key))
    subprocess.run(convert, check=True, capture_output=True, timeout=30)
    where = ("-p", str(door.spec.port), "admin@127.0.0.1")
    done = run("dbclient", "-y", "-y", "-i", str(key), *where, "echo in", home=door.place)
    assert done.stdout == "in\n", done.stderr


def test_putty_comes_in_when_it_is_told_a_kept_host_key(door: Door) -> None:
    key = door.place / "id.ppk"
    convert = ("puttygen", str(door.key), "-O", "private", "-o", str(key))
    subprocess.run(convert, check=True, capture_output=True, timeout=30)
    known = [word for each in fingerprints(door) for word in ("-hostkey", f"SHA256:{each}")]
    where = ("-P", str(door.spec.port), "admin@127.0.0.1")
    done = run(
        "plink", "-batch", "-ssh", "-i", str(key), *known, *where, "echo in", home=door.place
    )
    assert done.stdout == "in\n", done.stderr


def test_curl_by_libssh2_fetches_a_file(door: Door) -> None:
    door.ssh("echo in > fetched")
    port, key = door.spec.port, str(door.key)
    command = ("curl", "-sS", "--insecure", "--key", key, "--pubkey", f"{key}.pub")
    done = run(*command, f"sftp://admin@127.0.0.1:{port}/~/fetched", home=door.place)
    assert done.stdout == "in\n", done.stderr


def test_the_names_of_algorithms_and_accounts_are_those_of_the_image(door: Door) -> None:
    known = {
        "kex": algorithms.KNOWN_KEX, "cipher": algorithms.KNOWN_CIPHERS,
        "mac": algorithms.KNOWN_MACS, "CASignatureAlgorithms": algorithms.KNOWN_CA_SIGNATURES,
    }  # fmt: skip
    for what, names in known.items():
        assert names == set(door.execute("ssh", "-Q", what).split())
    accounts = {line.split(":")[0] for line in door.execute("cat", "/etc/passwd").splitlines()}
    assert accounts - {door.spec.user} == spec.IMAGE_USERS


def fingerprints(door: Door) -> list[str]:
    """Of all host keys that the policy has."""
    kinds = algorithms.OFFERS[door.spec.ssh_policy].host_keys
    files = (
        door.place / "state" / spec.HOST_KEY_FILES[kind].removeprefix(spec.STATE + "/")
        for kind in kinds
    )
    blobs = [
        base64.b64decode(file.with_name(f"{file.name}.pub").read_text().split()[1])
        for file in files
    ]
    digests = (hashlib.sha256(blob).digest() for blob in blobs)
    return [base64.b64encode(digest).decode().rstrip("=") for digest in digests]


def run(*command: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, input="",
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
