# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.keys.user_data import UserData, parse


def messages(value: Any) -> list[str]:
    return [str(finding) for finding in parse(json.dumps(value).encode(), "user-data")[1]]


FULL = {
    "user": "ec2-user",
    "password-hash": "$6$salt$hash/abc.DEF",
    "ssh": {
        "authorized-keys": ["ssh-ed25519 AAAA one"],
        "trusted-user-ca-keys": ["ssh-ed25519 BBBB ca"],
        "authorized-keys-command": "/opt/aws/bin/eic_run_authorized_keys %u %f",
        "authorized-keys-command-user": "ec2-instance-connect",
        "ciphers": ["chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com"],
        "key-exchange-algorithms": ["+curve25519-sha256"],
        "macs": ["hmac-sha2-512-etm@openssh.com"],
    },
}


def snake(value: Any) -> Any:
    if isinstance(value, dict):
        return {key.replace("-", "_"): snake(item) for key, item in value.items()}
    return value


def test_both_spellings_of_bottlerocket_say_the_same() -> None:
    kebab, problems = parse(json.dumps(FULL).encode(), "user-data")
    assert problems == []
    assert (kebab, []) == parse(json.dumps(snake(FULL)).encode(), "user-data")
    assert kebab.user == "ec2-user"
    assert kebab.ciphers == ("chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com")


def test_base64_as_the_settings_carry_it_is_decoded() -> None:
    encoded = base64.encodebytes(json.dumps(FULL).encode())
    assert parse(encoded, "user-data") == parse(json.dumps(FULL).encode(), "user-data")


def test_every_finding_comes_at_once_with_its_path() -> None:
    wrong = {
        "usr": "x",
        "user": "Not Valid",
        "ssh": {"authorised-keys": [], "macs": ["ok", "not ok\nPermitRootLogin yes"], "ciphers": 5},
    }
    assert messages(wrong) == [
        "user-data: usr: unknown key",
        "user-data: ssh: authorised-keys: unknown key",
        "user-data: user: expected a user name: [a-z_][a-z0-9_-]{0,31}",
        "user-data: ssh.ciphers: expected a list of strings",
        "user-data: ssh.macs[1]: expected the name of an algorithm",
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"ssh": {"authorized-keys": ["x"]}, "ssh": {}}',
        '{"ssh": {"ciphers": [], "ciphers": []}}',
        '{"user": "a", "user": "a"}',
    ],
)
def test_a_member_that_stands_there_twice_is_told(text: str) -> None:
    for given_as in (text.encode(), base64.b64encode(text.encode())):
        _, (problem,) = parse(given_as, "user-data")
        assert problem.message == "given twice"


@pytest.mark.parametrize("text", ['{"user": NaN}', '{"ssh": -Infinity}'])
def test_what_only_python_takes_for_json_is_none(text: str) -> None:
    _, (problem,) = parse(text.encode(), "user-data")
    assert "neither JSON" in problem.message


def test_a_key_in_both_spellings_is_refused() -> None:
    assert messages({"ssh": {"authorized-keys": [], "authorized_keys": []}}) == [
        "user-data: ssh: authorized_keys: given twice, in both spellings"
    ]


@pytest.mark.parametrize("command", ["eic %u", "/bin/sh -c 'x'", "/x\nPermitRootLogin yes"])
def test_a_command_that_could_write_into_the_configuration_is_refused(command: str) -> None:
    assert messages({"ssh": {"authorized-keys-command": command}})


def test_the_password_hash_is_not_shown() -> None:
    data, _ = parse(json.dumps(FULL).encode(), "user-data")
    assert "salt" not in repr(data)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "AAAA", "\x00"])
def test_what_is_no_object_is_one_finding(text: str) -> None:
    data, problems = parse(text.encode(), "user-data")
    assert (data, len(problems)) == (UserData(), 1)


@given(st.binary(max_size=300))
def test_any_bytes_give_findings_and_no_traceback(data: bytes) -> None:
    parse(data, "user-data")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["user", "ssh", "macs", "authorized-keys", "password-hash", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(json_values)
def test_any_json_gives_findings_and_no_traceback(value: Any) -> None:
    parse(json.dumps(value).encode(), "user-data")


def settings(user_data: str) -> bytes:
    return f"""# of the node
[settings.kubernetes]
cluster-name = "demo"

[settings.host-containers.admin]
enabled = true
{user_data}
""".encode()


def test_bottlerockets_settings_as_a_whole_hold_the_same_user_data() -> None:
    inner = base64.b64encode(json.dumps(FULL).encode()).decode()
    whole = settings(f'user-data = "{inner}"')
    alone = parse(json.dumps(FULL).encode(), "user-data")
    assert parse(whole, "user-data") == alone
    assert parse(base64.b64encode(whole), "user-data") == alone


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (settings(""), "settings.host-containers.admin.user-data: this is the system's own"),
        (settings("user-data = 5"), "expected a text in base64"),
        (settings('user-data = "*"'), "expected a text in base64"),
        (b"[settings]\nhost-containers = 5\n", "this is the system's own"),
        (b'{"ignition": {"version": "3.3.0"}}', "Ignition: this is the system's own"),
        (b"settings = 5\n", "neither JSON nor base64"),
    ],
)
def test_user_data_of_the_systems_own_without_keys_is_named(data: bytes, said: str) -> None:
    found, findings = parse(data, "user-data")
    assert found == UserData()
    assert [said in str(finding) for finding in findings] == [True]
