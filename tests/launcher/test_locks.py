# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from launcher import locks
from launcher.monitor import SilentMonitor

if TYPE_CHECKING:
    from pathlib import Path


def test_a_lock_is_seen_for_as_long_as_somebody_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not locks.is_held(path)
    with locks.hold(path, timeout=1, monitor=SilentMonitor(), what="testing"):
        assert locks.is_held(path)
    assert not locks.is_held(path)


def test_two_who_only_ask_do_not_see_each_other(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        assert not locks.is_held(path)
    finally:
        os.close(fd)


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    assert not locks.is_held(tmp_path / "lock")
    assert not (tmp_path / "elsewhere").exists()
