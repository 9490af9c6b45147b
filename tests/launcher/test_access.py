# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from launcher.errors import SettingsError
from launcher.keys.access import Access, Request, collect
from launcher.keys.rules import Rules

if TYPE_CHECKING:
    from pathlib import Path

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJZCxlISn3F+WI/oYkaQ7JvbGFlDcBmrCWlGetJgB/QK me"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAqy/qvf9K+7mbq45jtTfjZ7LwvGSmryJ1hk2ImaDRcT other"


def nothing(_limit: int) -> bytes:
    return b""


def from_stdin(text: str, **more: object) -> Access:
    request = Request(key_files=("-",), **more)  # type: ignore[arg-type]
    return collect(request, lambda _: text.encode())


def refusal(text: str, **more: object) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        from_stdin(text, **more)
    return caught.value


def test_keys_come_from_standard_input_with_blank_lines_and_comments() -> None:
    access = from_stdin(f"# mine\n\n{KEY}\r\n")
    assert [key.comment for key in access.keys] == ["me"]
    assert access.user == "admin"


def test_a_bad_key_is_named_by_line_and_reason_while_a_good_one_opens_the_door() -> None:
    access = from_stdin(f"{KEY}\nssh-ed25519 rubbish\n")
    assert [str(finding) for finding in access.warnings] == [
        "standard input:2: the key is not valid base64: was it cut or wrapped?"
    ]
    assert len(access.keys) == 1


@pytest.mark.parametrize("text", ["", "\n# nothing\n", "rubbish"])
def test_no_usable_key_is_an_error(text: str) -> None:
    assert refusal(text).code == "keys.none"


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        ("- ", "a dash of YAML"),
        ("bogus-option ", "no option bogus-option"),
        ('expiry-time="20200101" ', "expired on 2020-01-01"),
        ("cert-authority ", "--trusted-ca"),
        ('from="!10.0.0.1" ', "only excludes"),
    ],
)
def test_a_key_by_which_nobody_would_get_in_opens_no_door(before: str, reason: str) -> None:
    error = refusal(f"{before}{KEY}\n")
    assert error.code == "keys.none"
    assert reason in error.message


def test_a_ca_among_the_keys_is_one_of_the_cas() -> None:
    access = from_stdin(f"{KEY}\ncert-authority {OTHER}\n")
    assert [key.comment for key in access.logins] == ["me"]
    assert [key.comment for key in access.authorities] == ["other"]
    assert access.warnings == ()


def test_a_ca_with_options_which_sshd_would_pass_over_is_told(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pub"
    authority.write_text(f"cert-authority {KEY}\n")
    with pytest.raises(SettingsError, match="leave out what is before it") as caught:
        collect(Request(ca_files=(str(authority),)), nothing)
    assert caught.value.code == "keys.none"


@pytest.mark.parametrize(
    "lists",
    [
        {"ciphers": ["aes512-ctr"]},
        {"key-exchange-algorithms": ["+curve25519-sha256", "+ecdh-sha2-nistp384"]},
        {"macs": ["-*"]},
    ],
    ids=str,
)
def test_algorithms_that_only_sshd_would_refuse_are_refused_before(
    lists: dict[str, object],
) -> None:
    error = refusal(KEY, user_data=json.dumps({"ssh": lists}).encode())
    assert error.code == "settings.invalid"
    assert f"ssh.{next(iter(lists))}" in error.message


@pytest.mark.parametrize("user", ["daemon", "sshd", "nobody", "systemd-network"])
def test_an_account_of_the_image_is_no_login_name(user: str) -> None:
    assert refusal(KEY, user=user).code == "settings.invalid"


def test_a_private_key_is_refused_and_not_repeated() -> None:
    secret = "b3BlbnNzaC1rZXktdjEAAAAA"
    error = refusal(f"{KEY}\n-----BEGIN OPENSSH PRIVATE KEY-----\n{secret}\n")
    assert error.code == "keys.private"
    assert secret not in str(error.as_json())


def test_the_same_key_twice_is_one_key() -> None:
    assert len(from_stdin(f"{KEY}\n{KEY} again\n").keys) == 1


def test_standard_input_cannot_be_two_files() -> None:
    with pytest.raises(SettingsError, match="given twice"):
        collect(Request(key_files=("-", "-")), lambda _: KEY.encode())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.pub")
    with pytest.raises(SettingsError, match=r"none\.pub: No such file"):
        collect(Request(key_files=(missing,)), nothing)


def test_a_file_without_end_is_refused() -> None:
    with pytest.raises(SettingsError, match="larger than"):
        collect(Request(key_files=("/dev/zero",)), nothing)


@pytest.mark.parametrize("user", ["Root", "a b", "-x", "x" * 40, "root", "ü"])
def test_an_invalid_user_name_is_refused(user: str) -> None:
    assert refusal(KEY, user=user).code == "settings.invalid"


def test_a_flag_wins_over_user_data_and_user_data_over_the_default() -> None:
    data = json.dumps({"user": "ec2-user"}).encode()
    assert from_stdin(KEY, user_data=data).user == "ec2-user"
    assert from_stdin(KEY, user_data=data, user="sre").user == "sre"


def test_a_certificate_authority_alone_opens_a_door(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pub"
    authority.write_text(KEY)
    access = collect(Request(ca_files=(str(authority),), principals=("oncall",)), nothing)
    door = access.door(listen="", port=22)
    assert (door.trusted_cas, door.principals) == (True, True)


@pytest.mark.parametrize("principal", ["a b", "a,b", "#x", "*", ""])
def test_a_principal_that_would_mean_more_than_itself_is_refused(principal: str) -> None:
    assert refusal(KEY, principals=(principal,)).code == "settings.invalid"


def test_ten_thousand_keys_are_read(tmp_path: Path) -> None:
    import base64
    import os

    head = b"\0\0\0\x0bssh-ed25519\0\0\0 "
    lines = (
        f"ssh-ed25519 {base64.b64encode(head + os.urandom(32)).decode()}" for _ in range(10_000)
    )
    file = tmp_path / "many.pub"
    file.write_text("\n".join(lines))
    assert len(collect(Request(key_files=(str(file),)), nothing).keys) == 10_000


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """What the machine's user data said of keys, where only root could have put it."""
    tmp_path.chmod(0o700)
    file = tmp_path / "authorized_keys"
    file.write_text(f"{OTHER}\n")
    file.chmod(0o600)
    return file


def test_keys_of_the_machines_user_data_are_admitted_besides_those_that_are_given(
    kept: Path,
) -> None:
    access = from_stdin(KEY, kept_file=str(kept))
    assert [(key.comment, key.source) for key in access.keys] == [
        ("me", "standard input:1"),
        ("other", f"{kept}:1"),
    ]


def test_keys_of_the_machines_user_data_alone_open_a_door(kept: Path) -> None:
    assert len(collect(Request(kept_file=str(kept)), nothing).keys) == 1
    kept.unlink()
    with pytest.raises(SettingsError) as caught:
        collect(Request(kept_file=str(kept)), nothing)
    assert caught.value.code == "keys.none"


def test_whatever_the_machines_user_data_holds_keeps_nobody_else_out(kept: Path) -> None:
    secret = "b3BlbnNzaC1rZXktdjEAAAAA"
    kept.write_text(f"-----BEGIN OPENSSH PRIVATE KEY-----\n{secret}\n{OTHER}\n")
    access = from_stdin(KEY, kept_file=str(kept))
    assert [key.comment for key in access.keys] == ["me", "other"]
    assert [finding.path for finding in access.warnings] == [f"{kept}:1", f"{kept}:2"]
    assert secret not in str(access.warnings)


@pytest.mark.parametrize("plant", ["link", "writable", "directory"])
def test_keys_that_others_could_have_planted_are_left_out_and_named(plant: str, kept: Path) -> None:
    if plant == "link":
        kept.rename(kept.with_name("elsewhere"))
        kept.symlink_to("elsewhere")
    elif plant == "writable":
        kept.chmod(0o666)
    else:
        kept.parent.chmod(0o777)
    access = from_stdin(KEY, kept_file=str(kept))
    assert [key.comment for key in access.keys] == ["me"]
    (finding,) = access.warnings
    assert str(kept.parent) in finding.path


def test_a_revoked_key_is_no_key(tmp_path: Path) -> None:
    revoked = tmp_path / "revoked"
    revoked.write_text(f"{OTHER}\n")
    access = from_stdin(f"{KEY}\n{OTHER}\n", revoked_file=str(revoked))
    assert [key.comment for key in access.keys] == ["me"]
    assert [finding.message for finding in access.warnings] == ["this key is revoked"]
    assert access.revoked == revoked.read_bytes()
    assert refusal(OTHER, revoked_file=str(revoked)).code == "keys.none"


def test_a_list_of_revoked_keys_that_sshd_would_not_understand_is_an_error(tmp_path: Path) -> None:
    revoked = tmp_path / "revoked"
    for data in (b"SSHKRL\n\0", b"not a key\n"):
        revoked.write_bytes(data)
        assert refusal(KEY, revoked_file=str(revoked)).code == "settings.invalid"
    assert refusal(KEY, revoked_file=str(tmp_path / "none")).code == "settings.unreadable"


def test_a_ca_that_would_escape_the_longest_lifetime_is_left_out() -> None:
    access = from_stdin(f"{KEY}\ncert-authority {OTHER}\n", rules=Rules(certificate_lifetime=60))
    assert access.authorities == ()
    assert "--trusted-ca" in access.warnings[0].message
