# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import contextlib
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.keys.public_key import BadKeyError, PrivateKeyError, parse

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJZCxlISn3F+WI/oYkaQ7JvbGFlDcBmrCWlGetJgB/QK"


def keygen(directory: Path, *options: str) -> str:
    file = directory / "key"
    subprocess.run(
        ("ssh-keygen", "-q", "-N", "", "-C", "sre@laptop", "-f", str(file), *options), check=True
    )
    return file.with_suffix(".pub").read_text()


@pytest.mark.parametrize(
    "options",
    [
        ("-t", "ed25519"),
        ("-t", "rsa", "-b", "2048"),
        ("-t", "ecdsa", "-b", "256"),
        ("-t", "ecdsa", "-b", "384"),
        ("-t", "ecdsa", "-b", "521"),
    ],
    ids=lambda options: "-".join(options[1:]),
)
def test_a_key_of_ssh_keygen_is_read_and_has_its_fingerprint(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    line = keygen(tmp_path, *options)
    said = subprocess.run(
        ("ssh-keygen", "-lf", str(tmp_path / "key.pub")), check=True, capture_output=True, text=True
    )
    key = parse(line)
    assert said.stdout.split()[1] == key.fingerprint
    assert key.comment == "sre@laptop"
    assert line.strip() == key.line()


@pytest.mark.parametrize(
    "options",
    [
        'from="10.0.0.0/8,!10.1.1.1"',
        'command="echo \\"hi there\\"",no-pty',
        "restrict,pty",
        'expiry-time="20270101",cert-authority',
    ],
)
def test_options_before_the_key_are_kept_as_they_are(options: str) -> None:
    assert options == parse(f"{options} {GOOD} me").options


def test_a_comment_may_hold_blanks() -> None:
    assert parse(f"{GOOD} the key of   Ada").comment == "the key of   Ada"


def cut(line: str, count: int) -> str:
    return line[:-count]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("hello", "no public key"),
        ("hello world", "no public key"),
        ("ssh-ed25519", "missing"),
        ("ssh-ed25519 not*base64", "base64"),
        (cut(GOOD, 4), "too early"),
        (cut(GOOD, 3), "base64"),
        (GOOD.replace("ssh-ed25519", "ssh-rsa"), "inner type"),
        ("ssh-dss AAAAB3NzaC1kc3MAAACBAL", "DSA"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA", "certificate"),
        ("---- BEGIN SSH2 PUBLIC KEY ----", "RFC 4716"),
        ("-----BEGIN PUBLIC KEY-----", "PEM"),
        ("ssh-ed25519 " + "A" * 20_000, "longer"),
        (GOOD + " \x1b[31mred", "control"),
        (f"nonsense= {GOOD}", "no option nonsense"),
    ],
)
def test_a_bad_line_is_refused_with_its_reason(line: str, reason: str) -> None:
    with pytest.raises(BadKeyError, match=reason):
        parse(line)


def test_a_weak_rsa_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadKeyError, match="1024 bits is too weak"):
        parse(keygen(tmp_path, "-t", "rsa", "-b", "1024"))


@pytest.mark.parametrize(
    "line",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----",
        "PuTTY-User-Key-File-3: ssh-ed25519",
    ],
)
def test_a_private_key_is_told_from_every_other_mistake(line: str) -> None:
    with pytest.raises(PrivateKeyError):
        parse(line)


@given(st.text(max_size=200))
def test_any_text_is_a_key_or_a_reason_that_does_not_repeat_it(line: str) -> None:
    reason = ""
    try:
        parse(line)
    except BadKeyError as problem:
        reason = str(problem)
    assert len(line) < 12 or line not in reason


@given(st.binary(max_size=120), st.sampled_from(["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"]))
def test_any_blob_is_a_key_or_a_reason(blob: bytes, kind: str) -> None:
    name = kind.encode()
    inner = len(name).to_bytes(4, "big") + name + blob
    line = f"{kind} {base64.b64encode(inner).decode()}"
    with contextlib.suppress(BadKeyError):
        assert parse(line).kind == kind
