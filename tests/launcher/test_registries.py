# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from launcher import registries, settings
from launcher.errors import SettingsError

TEXT = """
authfile = "/etc/hatchway/auth.json"
[registries."reg.example:5000"]
plain-http = true
mirrors = ["m.example", "https://cache.example/hub"]
[registries."m.example"]
ca-file = "/etc/hatchway/ca.pem"
username = "node"
password = "s3cret"
"""


def write(directory: Path, text: str, mode: int = 0o600) -> None:
    (directory / "config.toml").write_text(text)
    (directory / "config.toml").chmod(mode)


def test_mirrors_come_first_each_with_credentials_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, TEXT)
    loaded, _ = settings.load(tmp_path, {})
    found = registries.from_settings(loaded)
    mirror, cache, upstream = found.route("reg.example:5000")
    assert (mirror.host, mirror.username, mirror.password) == ("m.example", "node", "s3cret")
    assert mirror.ca_file == Path("/etc/hatchway/ca.pem")
    assert (cache.name, cache.username) == ("cache.example/hub", "")
    assert (upstream.uses_http(), upstream.password) == (True, "")
    assert found.authfile == Path("/etc/hatchway/auth.json")


def test_the_flags_auth_file_wins(tmp_path: Path) -> None:
    write(tmp_path, TEXT)
    loaded, _ = settings.load(tmp_path, {})
    assert registries.from_settings(loaded, "/else").authfile == Path("/else")


def test_a_password_that_others_can_read_is_refused_and_not_shown(tmp_path: Path) -> None:
    write(tmp_path, TEXT, mode=0o644)
    with pytest.raises(SettingsError, match="chmod 600") as caught:
        settings.load(tmp_path, {})
    assert "s3cret" not in str(caught.value.as_json())


def test_credentials_for_every_registry_are_refused(tmp_path: Path) -> None:
    write(tmp_path, '[registries."*"]\npassword = "s3cret"')
    with pytest.raises(SettingsError, match="name the registry") as caught:
        settings.load(tmp_path, {})
    assert "s3cret" not in str(caught.value.as_json())
