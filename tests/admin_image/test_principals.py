# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pytest

from admin_image import principals
from tests.admin_image.door import keygen


@pytest.fixture
def certificate(tmp_path: Path) -> str:
    """The base64 of a certificate that is valid for an hour."""
    for name in ("ca", "user"):
        keygen("-t", "ed25519", "-N", "", "-f", str(tmp_path / name))
    when = ("-V", "20260101120000:20260101130000")
    keygen("-s", str(tmp_path / "ca"), "-I", "x", "-n", "a,b", *when, str(tmp_path / "user.pub"))
    return (tmp_path / "user-cert.pub").read_text().split()[1]


def asked(*words: str) -> tuple[int, str]:
    script = "import sys; from admin_image.principals import main; sys.exit(main())"
    command = (sys.executable, "-c", script, *words)
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return done.returncode, done.stdout


ROOT = Path(__file__).parents[2]


def test_the_names_are_told_for_a_certificate_that_is_short_enough(
    certificate: str, tmp_path: Path
) -> None:
    names = tmp_path / "principals"
    names.write_text("sre\noncall\n")
    assert asked("3600", "-", "admin", certificate) == (0, "admin\n")
    assert asked("3600", str(names), "admin", certificate) == (0, "sre\noncall\n")
    assert asked("3599", "-", "admin", certificate) == (0, "")
    assert asked("3600", str(tmp_path / "none"), "admin", certificate) == (1, "")


@pytest.mark.parametrize("text", ["", "AAAA", "!", "A" * 400])
def test_what_is_no_certificate_names_nobody(text: str) -> None:
    assert asked("3600", "-", "admin", text) == (1, "")


def test_a_certificate_that_is_cut_off_is_none(certificate: str) -> None:
    raw = base64.b64decode(certificate)
    assert principals.lifetime(raw) == 3600
    at = len(raw)
    while at > 0:
        at -= 40
        try:
            assert principals.lifetime(raw[:at]) == 3600
        except ValueError:
            break
    with pytest.raises(ValueError, match=r"cut off|unknown"):
        principals.lifetime(raw[:at])
