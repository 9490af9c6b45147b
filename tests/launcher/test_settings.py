# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher import settings
from launcher.errors import SettingsError
from launcher.keys import rules
from launcher.settings import Listen, Settings

if TYPE_CHECKING:
    from pathlib import Path


def load(tmp_path: Path, text: str = "", **environment: str) -> tuple[Settings, list[str]]:
    (tmp_path / "config.toml").write_text(text)
    loaded, findings = settings.load(tmp_path, environment)
    return loaded, [str(finding) for finding in findings]


def problems(tmp_path: Path, text: str, **environment: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text, **environment)
    assert caught.value.code == "settings.invalid"
    return [
        f"{finding['path']}: {finding['message']}".removeprefix(f"{tmp_path}/")
        for finding in caught.value.details["findings"]
    ]


def test_a_host_without_settings_has_defaults(tmp_path: Path) -> None:
    loaded, findings = settings.load(tmp_path / "none", {})
    assert (loaded.admin.source, findings) == (settings.DEFAULT_IMAGE, [])


def test_bottlerocket_settings_can_be_pasted(tmp_path: Path) -> None:
    loaded, findings = load(
        tmp_path,
        """
        [settings.host-containers.admin]
        enabled = true
        superpowered = true
        source = "reg.example/admin:v1"
        user-data = "e30="
        """,
    )
    assert loaded.admin.source == "reg.example/admin:v1"
    assert findings == [
        (
            "host-containers.admin.enabled: "
            "has no effect: the door opens on demand, by `hatchway admin start`"
        )
    ]


def test_a_bootstrap_container_of_bottlerocket_can_be_pasted(tmp_path: Path) -> None:
    loaded, findings = load(
        tmp_path,
        """
        [settings.bootstrap-containers.setup]
        source = "reg.example/setup:v1"
        mode = "once"
        essential = true
        user-data = "ZQ=="
        command = ["/bin/setup", "-v"]
        [settings.bootstrap-containers.bare]
        source = "reg.example/bare:v1"
        mode = "always"
        """,
    )
    assert loaded.bootstrap_containers["setup"].command == ["/bin/setup", "-v"]
    assert findings == []


def test_later_files_win_and_the_environment_wins_over_files(tmp_path: Path) -> None:
    (tmp_path / "config.d").mkdir()
    (tmp_path / "config.d" / "50.toml").write_text('[host-containers.admin]\nlisten = "2200"')
    text = '[host-containers.admin]\nlisten = "22"\nmemory = "256M"'
    loaded, _ = load(tmp_path, text)
    assert (loaded.admin.listen, loaded.admin.memory) == ("2200", "256M")
    loaded, _ = load(tmp_path, text, HATCHWAY_LISTEN="2201", HATCHWAY_TIMEOUT="30")
    assert (loaded.admin.listen, loaded.admin.timeout) == ("2201", 30.0)


def test_every_finding_comes_at_once_with_file_and_path(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """
        tpyo = 1
        [host-containers.admin]
        sauce = "x"
        cpus = "many"
        [runtime]
        name = 5
        [registries."reg.example"]
        plain-http = "yes"
        """,
        HATCHWAY_TYPO="1",
    )
    assert [finding.rpartition(": ")[0] or finding for finding in found][:5] == [
        "config.toml: tpyo",
        "config.toml: host-containers.admin.sauce",
        "config.toml: host-containers.admin.cpus",
        "config.toml: runtime.name",
        "config.toml: registries.reg.example.plain-http",
    ]
    assert any(finding.startswith("environment: HATCHWAY_TYPO: unknown") for finding in found)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('[host-containers.admin]\nlisten = "example.org:22"', "listen"),
        ('[host-containers.admin]\nmemory = "1M"', "memory"),
        ('[host-containers.admin]\nuser-data = "%%%"', "user-data"),
        ("[host-containers.admin]\nsuperpowered = false", "superpowered"),
        ("[host-containers.admin]\npids = 0", "pids"),
        ("[host-containers.control]\nenabled = true", "control"),
        ("host-containers = 5", "host-containers"),
        ('[bootstrap-containers.x]\nmode = "once"\ncommand = [""]', "x.command"),
        ('[bootstrap-containers.x]\nmode = "once"', "there is nothing to run"),
        ('[bootstrap-containers."a/b"]\nmode = "off"', "expected a name"),
        ('[bootstrap-containers.user-data]\nmode = "off"', "the machine's own user data"),
        ('[bootstrap-containers."user-data.x"]\nmode = "off"', "the machine's own user data"),
        ('[bootstrap]\naddress = "169.254.169.254"', "bootstrap.address"),
        ('[bootstrap]\naddress = "http://a:99999"', "bootstrap.address"),
        ("[bootstrap]\nstep-timeout = 0", "bootstrap.step-timeout"),
        ("[bootstrap]\nretries = 101", "bootstrap.retries"),
        ("not toml", "config.toml"),
    ],
)
def test_a_value_that_makes_no_sense_is_named(text: str, path: str, tmp_path: Path) -> None:
    assert any(path in finding for finding in problems(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("22", Listen("", 22)),
        ("*:2222", Listen("", 2222)),
        ("127.0.0.1:2222", Listen("127.0.0.1", 2222)),
        ("[::1]:22", Listen("::1", 22)),
    ],
)
def test_a_listen_address_is_read(text: str, expected: Listen) -> None:
    assert expected == settings.parse_listen(text)


@pytest.mark.parametrize(
    "text", ["", "ssh", "0", "65536", "::1:22", "localhost:22", "1.2.3.4:", "x:22"]
)
def test_a_bad_listen_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|address"):
        settings.parse_listen(text)


@given(st.text(max_size=30))
def test_any_listen_text_is_an_address_or_a_reason(text: str) -> None:
    try:
        found = settings.parse_listen(text)
    except ValueError:
        return
    assert found == settings.parse_listen(str(found))


@pytest.mark.parametrize(("text", "size"), [("64M", 64 << 20), ("1G", 1 << 30), ("1GiB", 1 << 30)])
def test_a_size_is_read_in_bytes(text: str, size: int) -> None:
    assert size == settings.parse_size(text)


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "+nan"])
def test_what_no_one_can_count_to_is_no_number(tmp_path: Path, number: str) -> None:
    text = f"""
        [host-containers.admin]
        cpus = {number}
        [bootstrap]
        step-timeout = {number}
        [bootstrap-containers.x]
        timeout = {number}
        [toolbox]
        pull-timeout = {number}
        """
    assert [finding.partition(": ")[2] for finding in problems(tmp_path, text)] == [
        f"{place}: {float(number)} is no number"
        for place in (
            "host-containers.admin.cpus",
            "bootstrap.step-timeout",
            "bootstrap-containers.x.timeout",
            "toolbox.pull-timeout",
        )
    ]
    found = problems(tmp_path, "", HATCHWAY_TIMEOUT=number)[0]
    assert found.startswith("environment: ")
    assert "timeout" in found


def test_rules_for_certificates_are_checked_by_name_and_form(tmp_path: Path) -> None:
    text = """
        [host-containers.admin]
        ssh-policy = "lax"
        """
    assert "ssh-policy: invalid enum value 'lax'" in problems(tmp_path, text)[0]
    text = """
        [host-containers.admin]
        max-certificate-lifetime = "soon"
        ca-signature-algorithms = ["ssh-ed25519", "rot13"]
        """
    assert problems(tmp_path, text) == [
        (
            "host-containers.admin.max-certificate-lifetime: "
            "expected a time such as 45m, 12h or 7d, not 'soon'"
        ),
        "host-containers.admin.ca-signature-algorithms: sshd has no algorithm rot13",
    ]
    loaded, _ = load(tmp_path, '[host-containers.admin]\nmax-certificate-lifetime = "12h"')
    assert rules.of(loaded.admin).certificate_lifetime == 43_200
