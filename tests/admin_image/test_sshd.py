# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from admin_image import sshd
from admin_image.algorithms import OFFERS, Policy
from admin_image.errors import DoorError
from admin_image.spec import (
    CA_FILE,
    HOST_KEY_FILES,
    KEYS_FILE,
    PRINCIPALS_FILE,
    REVOKED_FILE,
    DoorSpec,
)


def lines(spec: DoorSpec) -> list[str]:
    return sshd.config(spec).splitlines()


def test_publickey_is_the_only_way_in() -> None:
    text = lines(DoorSpec())
    assert "AuthenticationMethods publickey" in text
    ways = ("Password", "KbdInteractive", "Hostbased", "GSSAPI", "Kerberos")
    assert all(f"{way}Authentication no" in text for way in ways)
    assert {"PermitRootLogin no", "PermitEmptyPasswords no", "UsePAM yes"} <= set(text)


def test_keys_are_read_from_the_launchers_file() -> None:
    assert f"AuthorizedKeysFile {KEYS_FILE}" in lines(DoorSpec())


def test_authorities_stand_in_it_only_when_the_spec_has_them() -> None:
    assert not [
        line for line in lines(DoorSpec()) if line.startswith(("Trusted", "AuthorizedPrincipals"))
    ]
    text = lines(DoorSpec(trusted_cas=True, principals=True))
    assert {f"TrustedUserCAKeys {CA_FILE}", f"AuthorizedPrincipalsFile {PRINCIPALS_FILE}"} <= set(
        text
    )


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("", []),
        ("127.0.0.1", ["ListenAddress 127.0.0.1"]),
        ("fe80::1%eth0", ["ListenAddress [fe80::1%eth0]"]),
    ],
    ids=["everywhere", "IPv4", "IPv6 with its scope"],
)
def test_the_listen_address_is_written_as_sshd_reads_it(listen: str, expected: list[str]) -> None:
    assert expected == [
        line for line in lines(DoorSpec(listen=listen)) if line.startswith("Listen")
    ]


@pytest.mark.parametrize(
    "spec",
    [
        DoorSpec(user="a b"),
        DoorSpec(listen="0.0.0.0\nPermitRootLogin yes"),
        DoorSpec(ciphers=("aes256-ctr\nPasswordAuthentication yes",)),
        DoorSpec(macs=("+",)),
        DoorSpec(key_exchange_algorithms=("#",)),
        DoorSpec(port=0),
        DoorSpec(port=65536),
        DoorSpec(authorized_keys_command="relative"),
        DoorSpec(authorized_keys_command="/bin/x\nPermitRootLogin yes"),
        DoorSpec(authorized_keys_command="/bin/x", authorized_keys_command_user="a b"),
    ],
    ids=str,
)
def test_no_field_can_write_a_line_of_its_own(spec: DoorSpec) -> None:
    with pytest.raises(DoorError):
        sshd.config(spec)


@pytest.mark.parametrize("policy", OFFERS)
def test_sshd_has_the_host_keys_and_algorithms_of_the_policy(policy: Policy) -> None:
    text, offer = lines(DoorSpec(ssh_policy=policy)), OFFERS[policy]
    assert [line for line in text if line.startswith("HostKey ")] == [
        f"HostKey {HOST_KEY_FILES[kind]}" for kind in offer.host_keys
    ]
    assert f"HostKeyAlgorithms {','.join(offer.host_keys)}" in text
    assert f"KexAlgorithms {','.join(offer.kex)}" in text


def test_a_policy_that_nobody_knows_is_refused() -> None:
    with pytest.raises(DoorError, match="no SSH policy"):
        sshd.config(DoorSpec(ssh_policy="lax"))  # type: ignore[arg-type]


def test_taking_all_algorithms_away_is_an_error() -> None:
    with pytest.raises(DoorError, match="every algorithm"):
        sshd.config(DoorSpec(ciphers=("-*",)))


def test_a_keys_command_runs_as_somebody() -> None:
    text = lines(DoorSpec(authorized_keys_command="/opt/aws/bin/eic_run_authorized_keys %u %f"))
    assert "AuthorizedKeysCommand /opt/aws/bin/eic_run_authorized_keys %u %f" in text
    assert "AuthorizedKeysCommandUser nobody" in text


def test_a_lifetime_puts_a_program_before_the_names() -> None:
    text = lines(DoorSpec(trusted_cas=True, principals=True, certificate_lifetime=60))
    program = f"/usr/lib/hatchway/principals 60 {PRINCIPALS_FILE} %u %k"
    assert f"AuthorizedPrincipalsCommand {program}" in text
    assert not [line for line in text if line.startswith("AuthorizedPrincipalsFile")]


def test_revoked_keys_are_always_asked_for() -> None:
    assert f"RevokedKeys {REVOKED_FILE}" in lines(DoorSpec())
    assert "PubkeyAuthOptions verify-required" not in lines(DoorSpec())
    assert "PubkeyAuthOptions verify-required" in lines(DoorSpec(verify_required=True))
