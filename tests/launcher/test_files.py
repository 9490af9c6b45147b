# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from launcher import files
from launcher.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    files.write(target, b"new", mode=0o640)
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"new", 0o640)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_keeps_the_old_file_and_says_so(tmp_path: Path) -> None:
    mount = ("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path))
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.fail("this test needs root")
    try:
        files.write(tmp_path / "file", b"old")
        with pytest.raises(HostError) as caught:
            files.write(tmp_path / "file", bytes(200_000))
        assert caught.value.code == "host.disk-full"
        assert (tmp_path / "file").read_bytes() == b"old"
        assert [path.name for path in tmp_path.iterdir()] == ["file"]
    finally:
        subprocess.run(("umount", str(tmp_path)), check=True)


def test_a_directory_is_made_with_its_mode_and_found_again(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b"
    files.own_directory(place, mode=0o700)
    files.own_directory(place, mode=0o700)
    assert place.stat().st_mode & 0o777 == 0o700


def test_a_planted_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(HostError, match="is not a directory") as caught:
        files.own_directory(tmp_path / "link")
    assert caught.value.code == "host.unsafe-path"


def test_a_directory_that_others_can_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(HostError, match="writable by others"):
        files.own_directory(tmp_path / "open")


def test_somebody_elses_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 1000, 1000)
    with pytest.raises(HostError, match="belongs to uid 1000"):
        files.own_directory(tmp_path / "theirs")


def test_a_file_of_ours_is_read_within_its_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert files.read_own(tmp_path / "file", limit=5) == b"12345"
    with pytest.raises(HostError, match="larger than 4 bytes"):
        files.read_own(tmp_path / "file", limit=4)
    with pytest.raises(FileNotFoundError):
        files.read_own(tmp_path / "none", limit=4)


def test_a_file_behind_a_planted_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"secret")
    (tmp_path / "file").symlink_to("real/file")
    (tmp_path / "link").symlink_to("real")
    for path in (tmp_path / "file", tmp_path / "link" / "file"):
        with pytest.raises(HostError, match="is a link") as caught:
            files.read_own(path, limit=100)
        assert caught.value.code == "host.unsafe-path"


def test_a_pipe_in_the_place_of_a_file_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "file")
    with pytest.raises(HostError, match="belongs to others"):
        files.read_own(tmp_path / "file", limit=100)
