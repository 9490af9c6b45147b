# SPDX-License-Identifier: Apache-2.0
"""What sshd makes of a line of authorized_keys, and what the launcher says of it beforehand."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import paramiko
import pytest

from admin_image.spec import DoorSpec
from launcher import key_offer
from launcher.errors import DoorError
from launcher.keys import public_key
from tests.admin_image.door import Door

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.engine

OPTIONS = [
    *("", "restrict,pty", "no-pty,NO-X11-Forwarding", "no-touch-required,verify-required"),
    *('command="echo \\"hi there\\"",no-pty', 'command="a b",restrict', 'user-rc,command=""'),
    *('from="127.0.0.0/8,10.1.1.1"', 'from="127.0.0.1"', 'from="*"', 'from="!10.0.0.1,127.*"'),
    *('from="127.0.0.1/8"', 'from="127.0.0.1,10.0.0.1/8"', 'from="!10.0.0.1"', 'from=""'),
    *('from="127.0.0.0/33"', 'from="127.0.0.0/8,"', 'from="::ffff:1/64,127.0.0.1"'),
    *('expiry-time="20990101"', 'expiry-time="209901011200Z"', 'EXPIRY-TIME="20990101120000"'),
    *('expiry-time="20200101"', 'expiry-time="2099"', "expiry-time=20990101", 'expiry-time=""'),
    *('expiry-time="20990101",expiry-time="20200101"', 'expiry-time="20991301"'),
    *('environment="A_1=b"', 'environment="A-b=c"', 'environment="=c"', 'environment="A"'),
    *('permitopen="host:22"', 'permitopen="[::1]:22"', 'permitopen="host:*"', 'permitopen="host"'),
    *('permitopen="host:0"', 'permitopen="host:70000"', 'permitopen="host:x"', 'permitopen=":22"'),
    *('permitlisten="8080"', 'permitlisten="localhost:8080"', 'permitlisten="0"'),
    *('tunnel="any"', 'tunnel="3"', 'tunnel="x"', 'tunnel=""'),
    *("bogus-option", "-", "--", "*", "cert-authority", "cert-authority,restrict"),
    *('principals="x"', 'cert-authority,principals="x"', "no-restrict", "no-cert-authority"),
    *("pty,", ",pty", "pty,,pty", "ptyx", 'pty="x"', "command", "command=", "command=a"),
    *('command="a",command="b"', 'from="*",from="*"', 'command="a"b', 'command="unclosed'),
    *('command="a\\\\"', 'command="a\\\\",pty', 'command="a\\b"', 'command="a\\\\"b"', "pty pty"),
]


@pytest.fixture
def only_lines(door: Door) -> Iterator[None]:
    """What the tests write as keys is taken back."""
    keys = door.place / "run/authorized_keys"
    before = keys.read_text()
    yield
    keys.write_text(before)


def accepts(door: Door, key: public_key.PublicKey) -> bool:
    """Whether sshd says that this key would do."""
    transport = paramiko.Transport(("127.0.0.1", door.spec.port))
    try:
        transport.start_client(timeout=30)
        with pytest.raises(paramiko.BadAuthenticationType):
            transport.auth_none(door.spec.user)
        key_offer.require_welcome(transport, door.spec.user, (key,), 30)
    except DoorError:
        return False
    finally:
        transport.close()
    return True


def judged(line: str) -> bool:
    """Whether the launcher takes the line for a login key."""
    try:
        return not public_key.parse(line).authority
    except public_key.BadKeyError:
        return False


@pytest.mark.usefixtures("only_lines")
def test_each_line_is_judged_as_sshd_judges_it(door: Door) -> None:
    key = public_key.parse(door.key.with_suffix(".pub").read_text())
    verdicts = {}
    for options in OPTIONS:
        line = f"{options} {key.kind} {key.blob}".strip()
        door.write("authorized_keys", f"{line}\n")
        verdicts[options] = (judged(line), accepts(door, key))
    assert {options: both for options, both in verdicts.items() if both[0] != both[1]} == {}
    assert 20 < sum(ours for ours, _ in verdicts.values()) < len(OPTIONS) - 20


@pytest.mark.usefixtures("only_lines")
def test_a_key_of_each_type_would_be_accepted(door: Door) -> None:
    made = [
        paramiko.RSAKey.generate(2048),
        *(paramiko.ECDSAKey.generate(bits=bits) for bits in (256, 384, 521)),
    ]
    lines = [f"{key.get_name()} {key.get_base64()}" for key in made]
    for kind, more in (
        ("sk-ssh-ed25519@openssh.com", b""),
        ("sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256"),
    ):
        point = b"\4" + _point() if more else b"\7" * 32
        fields = [kind.encode(), *([more] if more else []), point, b"ssh:"]
        blob = b"".join(len(field).to_bytes(4, "big") + field for field in fields)
        lines.append(f"{kind} {base64.b64encode(blob).decode()}")
    door.write("authorized_keys", "\n".join(lines))
    keys = [public_key.parse(line) for line in lines]
    assert [key.kind for key in keys if not accepts(door, key)] == []


PROGRAM = "authorized-keys-command"


@pytest.mark.parametrize(
    ("command", "user", "reason"),
    [
        ("/opt/aws/bin/eic_run_authorized_keys %u %f", "", "No such file"),
        ("/usr/bin/true", "ec2-instance-connect", "no account ec2-instance-connect"),
        ("/usr", "", "is no program"),
        ("/run/hatchway/admin/planted", "", "may be written by others"),
    ],
)
def test_a_program_for_keys_that_sshd_would_not_run_is_told(
    command: str, user: str, reason: str, image: str, tmp_path: Path
) -> None:
    asked = DoorSpec(authorized_keys_command=command, authorized_keys_command_user=user)
    door = Door(tmp_path, asked)
    door.write("planted", "")
    (tmp_path / "run/planted").chmod(0o777)
    with door:
        assert door.phase().phase == "open"
        (warning,) = [each for each in door.phase().warnings if PROGRAM in each]
        assert reason in warning
    door.write("authorized_keys", "")
    (tmp_path / "run/phase.json").unlink()
    with door:
        phase = door.phase()
        assert (phase.phase, phase.code) == ("failed", "door.keys-command")
        assert reason in phase.message


def _point() -> bytes:
    """A point of P-256: sshd refuses one that lies beside the curve."""
    numbers = paramiko.ECDSAKey.generate(bits=256).verifying_key.public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
