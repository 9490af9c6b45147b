# SPDX-License-Identifier: Apache-2.0
"""What detached work printed: unchanged, in order, bounded, and readable while it grows."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolbox import worklog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNKS = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(min_size=1, max_size=200)))


@given(chunks=CHUNKS)
def test_every_byte_comes_out_of_its_stream_in_order(
    chunks: list[tuple[int, bytes]], tmp_path_factory: object
) -> None:
    place: Path = tmp_path_factory.mktemp("log") / "log"  # type: ignore[attr-defined]
    written(place, chunks)
    assert list(worklog.read(place)) == chunks


def written(place: Path, chunks: list[tuple[int, bytes]], *, limit: int = worklog.LIMIT) -> None:
    log = worklog.Writer(place, limit=limit)
    for stream, data in chunks:
        log.write(stream, data)
    log.close()


def test_the_last_part_is_kept_and_no_more_than_twice_the_limit(tmp_path: Path) -> None:
    chunks = [(1, f"{number:04}".encode() * 25) for number in range(1000)]
    written(tmp_path / "log", chunks, limit=1000)
    kept = list(worklog.read(tmp_path / "log"))
    assert kept == chunks[-len(kept) :]
    assert 9 <= len(kept) <= 20
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2000


def test_a_chunk_that_is_half_written_is_left_for_later(tmp_path: Path) -> None:
    written(tmp_path / "log", [(1, b"whole"), (2, b"broken")])
    whole = (tmp_path / "log").read_bytes()
    for cut in range(len(whole) - 11, len(whole)):
        (tmp_path / "log").write_bytes(whole[:cut])
        assert list(worklog.read(tmp_path / "log")) == [(1, b"whole")]


def test_no_log_is_an_empty_one(tmp_path: Path) -> None:
    assert list(worklog.read(tmp_path / "none")) == []


def test_who_follows_sees_all_of_it_also_over_a_change_of_files(tmp_path: Path) -> None:
    place = tmp_path / "log"
    chunks = [(1, f"{number:04}".encode()) for number in range(60)]
    over = threading.Event()

    def write() -> None:
        log = worklog.Writer(place, limit=200)
        for stream, data in chunks:
            log.write(stream, data)
            time.sleep(0.02)
        log.close()
        over.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = list(worklog.follow(place, lambda: not over.is_set()))
    writer.join()
    assert seen == chunks


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB and 64 files."""
    if os.geteuid():
        pytest.skip("mounting takes root")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(
        ("mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=64", "none", place), check=True
    )
    yield place
    subprocess.run(("umount", place), check=True)


def test_a_full_disk_loses_what_has_no_room_and_nothing_else(disk: Path) -> None:
    log = worklog.Writer(disk / "log")
    log.write(1, b"before")
    (disk / "ballast").write_bytes(bytes(48 << 10))
    log.write(2, b"x" * (32 << 10))  # fits in part, and comes in no part
    log.write(2, b"y" * (32 << 10))
    (disk / "ballast").unlink()
    log.write(1, b"after")
    log.close()
    assert list(worklog.read(disk / "log")) == [(1, b"before"), (1, b"after")]


def test_a_disk_too_full_for_a_new_file_keeps_the_old_ones(disk: Path) -> None:
    log = worklog.Writer(disk / "log", limit=100)
    log.write(1, b"first" * 10)
    fill(disk)
    log.write(1, b"second" * 10)
    log.write(1, b"third" * 10)
    (disk / "0").unlink()
    log.write(1, b"fourth" * 10)
    log.close()
    assert list(worklog.read(disk / "log")) == [(1, b"first" * 10), (1, b"fourth" * 10)]


def fill(disk: Path) -> None:
    """Take every inode: no file can be made any more."""
    for number in range(100):
        try:
            (disk / str(number)).touch()
        except OSError:
            return


@pytest.mark.parametrize("head", [(3, 5), (0, 5), (1, worklog.LIMIT + 1), (2, 0)])
def test_what_is_no_head_ends_the_log_and_is_no_output(
    tmp_path: Path, head: tuple[int, int]
) -> None:
    written(tmp_path / "log", [(1, b"whole")])
    with (tmp_path / "log").open("ab") as log:
        log.write(worklog.HEAD.pack(*head) + b"rubbish")
    assert list(worklog.read(tmp_path / "log")) == [(1, b"whole")]
