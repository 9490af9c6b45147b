# SPDX-License-Identifier: Apache-2.0
"""What detached work printed: unchanged, in order, bounded, and readable while it grows."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from toolbox import worklog

if TYPE_CHECKING:
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
