# SPDX-License-Identifier: Apache-2.0
"""Certificates, revoked keys and security keys, as the image's sshd takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from admin_image.spec import DoorSpec
from tests.admin_image.door import Door, keygen
from tests.admin_image.security_key import TOUCHED, VERIFIED, SecurityKey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.engine

HOUR = 3600


@pytest.fixture(scope="module")
def bounded(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A door for certificates of an hour at most, by CAs that sign with Ed25519."""
    spec = DoorSpec(
        trusted_cas=True, certificate_lifetime=HOUR, verify_required=True,
        ca_signature_algorithms=("ssh-ed25519",),
    )  # fmt: skip
    door = Door(tmp_path_factory.mktemp("bounded"), spec)
    for name, kind in (("ca", "ed25519"), ("other", "ecdsa")):
        keygen("-t", kind, "-N", "", "-f", str(door.place / name))
    cas = [(door.place / f"{name}.pub").read_text() for name in ("ca", "other")]
    door.write("authorized_keys", "")
    door.write("trusted_ca_keys", "".join(cas))
    with door:
        assert door.phase().phase == "open", door.logs()
        yield door


def certified(door: Door, *options: str, kind: str = "ed25519", ca: str = "ca") -> Path:
    """A key of this type with a certificate of its own."""
    key = door.place / f"user-{kind}"
    if not key.exists():
        keygen("-t", kind, "-N", "", "-f", str(key))
    words = options if "-n" in options else (*options, "-n", "admin")
    words = words if "-V" in words else (*words, "-V", "-5m:+10m")
    keygen("-s", str(door.place / ca), "-I", "test", *words, f"{key}.pub")
    return key


def entered(door: Door, key: Path, command: str = "echo in") -> str:
    options = ("-i", str(key), "-o", f"CertificateFile={key}-cert.pub")
    return door.ssh(command, options=options).stdout.strip()


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_certificate_that_is_short_enough_enters_and_a_longer_one_does_not(
    bounded: Door, kind: str
) -> None:
    assert entered(bounded, certified(bounded, "-V", "-5m:+50m", kind=kind)) == "in"
    for validity in ("-5m:+56m", "always:forever", "always:+10m", "-1m:forever"):
        assert entered(bounded, certified(bounded, "-V", validity, kind=kind)) == ""


def test_the_login_name_must_stand_in_a_certificate(bounded: Door) -> None:
    assert entered(bounded, certified(bounded, "-n", "intern")) == ""


def test_a_ca_that_signs_by_another_algorithm_is_no_ca(bounded: Door) -> None:
    assert entered(bounded, certified(bounded, ca="other")) == ""


def test_the_address_and_the_command_of_a_certificate_hold(bounded: Door) -> None:
    here, there = "source-address=127.0.0.0/8", "source-address=192.0.2.0/24"
    assert entered(bounded, certified(bounded, "-O", here)) == "in"
    assert entered(bounded, certified(bounded, "-O", there)) == ""
    forced = certified(bounded, "-O", "force-command=echo forced")
    assert entered(bounded, forced) == "forced"


def test_what_is_revoked_stays_out_from_the_next_login_on(bounded: Door) -> None:
    key = certified(bounded, "-z", "7")
    revoked = bounded.place / "run/revoked_keys"
    ca = bounded.place / "ca.pub"
    for listed in (f"{key}.pub", str(ca), ""):
        revoked.write_bytes((bounded.place / listed).read_bytes() if listed else b"")
        assert entered(bounded, key) == ("" if listed else "in")
    serials = bounded.place / "serials"
    serials.write_text("serial: 7\n")
    krl = bounded.place / "krl"
    keygen("-k", "-f", str(krl), "-s", str(ca), str(serials))
    revoked.write_bytes(krl.read_bytes())
    assert entered(bounded, key) == ""
    assert entered(bounded, certified(bounded, "-z", "8")) == "in"
    revoked.write_bytes(b"")


def test_a_security_key_enters_when_its_owner_was_verified(bounded: Door) -> None:
    token = SecurityKey()
    public = bounded.place / "token.pub"
    public.write_text(token.line())
    bounded.write("authorized_keys", token.line())
    with token.agent(bounded.place) as agent:
        options = ("-i", str(public), "-o", f"IdentityAgent={agent}")
        for flags, status in ((TOUCHED, 255), (TOUCHED | VERIFIED, 0), (VERIFIED, 255)):
            token.flags = flags
            assert bounded.ssh("true", options=options).returncode == status
    bounded.write("authorized_keys", "")


def test_principals_and_a_lifetime_both_bind(image: str, tmp_path: Path) -> None:
    door = Door(tmp_path, DoorSpec(trusted_cas=True, principals=True, certificate_lifetime=HOUR))
    keygen("-t", "ed25519", "-N", "", "-f", str(tmp_path / "ca"))
    door.write("authorized_keys", "")
    door.write("trusted_ca_keys", (tmp_path / "ca.pub").read_text())
    door.write("principals", "sre\noncall\n")
    with door:
        assert door.phase().phase == "open", door.logs()
        assert entered(door, certified(door, "-n", "intern,oncall")) == "in"
        assert entered(door, certified(door, "-n", "admin")) == ""
        assert entered(door, certified(door, "-n", "oncall", "-V", "+2h")) == ""
