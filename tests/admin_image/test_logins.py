# SPDX-License-Identifier: Apache-2.0
"""Which key opened a session, and what is told of what it does."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from admin_image import command_log, logins, spec

if TYPE_CHECKING:
    from pathlib import Path


def keygen(*arguments: str) -> str:
    return subprocess.run(
        ("ssh-keygen", *arguments), check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_key_has_its_own_fingerprint_by_certificate_too(tmp_path: Path, kind: str) -> None:
    key, ca = str(tmp_path / "key"), str(tmp_path / "ca")
    keygen("-q", "-t", kind, "-N", "", "-f", key)
    keygen("-q", "-t", "ed25519", "-N", "", "-f", ca)
    keygen("-q", "-s", ca, "-I", "somebody", f"{key}.pub")
    fingerprint = keygen("-l", "-f", f"{key}.pub").split()[1]
    plain, certified = (
        "publickey " + " ".join((tmp_path / name).read_text().split()[:2])
        for name in ("key.pub", "key-cert.pub")
    )
    assert logins.key(f"{plain}\n") == fingerprint
    assert logins.key(certified) == f"{fingerprint} by certificate"


@pytest.mark.parametrize("told", ["", "publickey", "password", "publickey ssh-ed25519"])
def test_what_is_not_understood_is_no_key(told: str) -> None:
    assert logins.key(told) == "an unknown key"


@pytest.mark.parametrize("audit", [True, False])
def test_a_session_is_found_by_its_number_or_by_the_process_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, audit: bool
) -> None:
    monkeypatch.setattr(logins, "DIRECTORY", str(tmp_path / "logins"))
    monkeypatch.setattr(logins, "_session", lambda: "7" if audit else "")
    told = {"PAM_TYPE": "open_session", "PAM_RHOST": "192.0.2.1"}
    assert logins.of_this_session().startswith("root without ssh")
    logins.record(told)
    assert logins.of_this_session() == "an unknown key from 192.0.2.1"
    logins.record({"PAM_TYPE": "close_session"})
    logins.record({"PAM_TYPE": "close_session"})
    assert list((tmp_path / "logins").iterdir()) == []


def test_a_command_is_one_line_whatever_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    log.write_text("")
    monkeypatch.setattr(command_log, "LOG_FILE", str(log))
    monkeypatch.setattr(command_log, "JOURNAL", str(tmp_path / "none"))
    command_log.record("hostsh", ["a", "b c", "", "\n\x1b[2J", "\udcff", "x" * 9999])
    text = log.read_text()
    assert text.count("\n") == 1
    assert r"a 'b c' '' '\n\x1b[2J' '\udcff' xxx" in text
    assert len(text) < 2 * command_log.LIMIT


def test_the_log_is_the_doors() -> None:
    assert command_log.LOG_FILE == spec.LOG_FILE
