# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from admin_image import hostkey
from admin_image.errors import DoorError

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="host keys are root's"),
    pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen here"),
]

KIND = "ssh-ed25519"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ssh" / "ssh_host_ed25519_key"


def test_a_key_is_made_once_and_kept(path: Path) -> None:
    assert hostkey.ensure(KIND, str(path)) == []
    first = path.read_bytes()
    assert hostkey.ensure(KIND, str(path)) == []
    assert first == path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, f"{path.name}.pub"]


@pytest.mark.parametrize(
    "damage", [b"", b"garbage\n", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", None]
)
def test_a_damaged_key_is_replaced_and_said_so(path: Path, damage: bytes | None) -> None:
    hostkey.ensure(KIND, str(path))
    path.write_bytes(path.read_bytes()[:200] if damage is None else damage)
    (warning,) = hostkey.ensure(KIND, str(path))
    assert "damaged" in warning
    assert hostkey.ensure(KIND, str(path)) == []


def test_a_directory_in_its_place_is_replaced(path: Path) -> None:
    (path / "inside").mkdir(parents=True)
    assert len(hostkey.ensure(KIND, str(path))) == 1
    assert path.is_file()


@pytest.mark.parametrize(
    "public", ["", "ssh-ed25519 AAAA stranger\n", None], ids=["empty", "another", "missing"]
)
def test_the_public_half_is_written_again_from_the_private(path: Path, public: str | None) -> None:
    hostkey.ensure(KIND, str(path))
    file = Path(f"{path}.pub")
    before = file.read_text().split()[:2]
    file.unlink() if public is None else file.write_text(public)
    assert hostkey.ensure(KIND, str(path)) == []
    assert before == file.read_text().split()[:2]


def test_a_key_of_another_type_is_no_ecdsa_key(path: Path) -> None:
    hostkey.ensure(KIND, str(path))
    assert len(hostkey.ensure("ecdsa-sha2-nistp256", str(path))) == 1
    assert Path(f"{path}.pub").read_text().startswith("ecdsa-sha2-nistp256 ")


def test_a_key_that_others_may_read_is_kept_and_closed(path: Path) -> None:
    hostkey.ensure(KIND, str(path))
    path.chmod(0o644)
    before = path.read_bytes()
    hostkey.ensure(KIND, str(path))
    assert (before, 0o600) == (path.read_bytes(), path.stat().st_mode & 0o777)


def test_what_a_power_cut_left_is_swept(path: Path) -> None:
    (path.parent / ".new-left").mkdir(parents=True)
    hostkey.ensure(KIND, str(path))
    assert not (path.parent / ".new-left").exists()


def test_a_place_that_cannot_be_written_has_a_code(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DoorError) as caught:
        hostkey.ensure(KIND, str(tmp_path / "file" / "key"))
    assert caught.value.code == "door.host-key"
