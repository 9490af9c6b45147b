# SPDX-License-Identifier: Apache-2.0
"""A pull that broke goes on where it was, and a small disk is told."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from launcher.errors import HostError
from tests.launcher import registry_faults as faults
from tests.launcher.registry.case import IMAGE, big_blob, failure, get, spooled
from tests.launcher.small_images import (
    make_image,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.launcher.registry_faults import FaultyRegistry


def test_a_truncated_blob_goes_on_where_it_broke(server: FaultyRegistry, spool: Path) -> None:
    server.faults.append(faults.times(3, faults.truncated_blobs))
    get(f"{server.host}/app:v1", spool)
    assert spooled(spool) == IMAGE.blobs
    starts = [seen.headers["Range"] for seen in server.seen if "Range" in seen.headers]
    assert starts == sorted(starts, key=lambda text: int(text[6:-1]))
    assert len(starts) == 3


def test_a_blob_that_is_always_truncated_is_told(server: FaultyRegistry, spool: Path) -> None:
    server.faults.append(faults.truncated_blobs)
    assert failure(f"{server.host}/app:v1", spool).code == "image.truncated"


def test_a_killed_pull_is_taken_up_where_it_was(server: FaultyRegistry, spool: Path) -> None:
    digest, data = big_blob(IMAGE)
    spool.mkdir()
    (spool / f"{digest[7:]}.partial").write_bytes(data[:100_000])
    get(f"{server.host}/app:v1", spool)
    assert [s.headers["Range"] for s in server.seen if "Range" in s.headers] == ["bytes=100000-"]
    assert spooled(spool) == IMAGE.blobs


@pytest.mark.parametrize(
    "left", [b"damaged" * 1000, b"x" * 300_000, b""], ids=["damaged", "longer", "empty"]
)
def test_what_a_power_cut_left_costs_a_download_at_most(
    server: FaultyRegistry, spool: Path, left: bytes
) -> None:
    digest, _ = big_blob(IMAGE)
    spool.mkdir()
    (spool / f"{digest[7:]}.partial").write_bytes(left)
    (spool / IMAGE.config_digest[7:]).write_bytes(b"\0" * len(IMAGE.blobs[IMAGE.config_digest]))
    get(f"{server.host}/app:v1", spool)
    assert spooled(spool) == IMAGE.blobs


def test_a_whole_blob_is_not_fetched_twice(server: FaultyRegistry, spool: Path) -> None:
    get(f"{server.host}/app:v1", spool)
    get(f"{server.host}/app:v1", spool)
    assert len(server.paths("blobs")) == len(IMAGE.blobs)


def test_a_server_that_ignores_ranges_is_read_from_the_start(
    server: FaultyRegistry, spool: Path
) -> None:
    digest, data = big_blob(IMAGE)
    spool.mkdir()
    (spool / f"{digest[7:]}.partial").write_bytes(data[:1000])
    server.faults.append(lambda h: h.wants("blobs") and h.answer(200, h.blob()))
    get(f"{server.host}/app:v1", spool)
    assert spooled(spool) == IMAGE.blobs


def test_a_server_that_refuses_a_range_is_read_from_the_start(
    server: FaultyRegistry, spool: Path
) -> None:
    digest, data = big_blob(IMAGE)
    spool.mkdir()
    (spool / f"{digest[7:]}.partial").write_bytes(data[:1000])
    server.faults.append(lambda h: "Range" in h.headers and h.answer(416))
    get(f"{server.host}/app:v1", spool)
    assert spooled(spool) == IMAGE.blobs


def test_what_other_images_left_is_dropped(server: FaultyRegistry, spool: Path) -> None:
    spool.mkdir()
    (spool / f"{'0' * 64}.partial").write_bytes(b"old")
    get(f"{server.host}/app:v1", spool)
    assert spooled(spool) == IMAGE.blobs


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 5 MB."""
    place = tmp_path / "tiny"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m,mode=755", "tiny", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.engine
def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(
    server: FaultyRegistry, tiny: Path
) -> None:
    server.put(make_image((os.urandom(2_000_000),)), "big")
    with pytest.raises(HostError) as caught:
        get(f"{server.host}/app:big", tiny / "blobs")
    assert caught.value.code == "host.disk-full"
    assert "are missing" in caught.value.message
    assert not server.paths("blobs")


@pytest.mark.engine
def test_a_disk_that_fills_up_on_the_way_is_told(
    server: FaultyRegistry, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from launcher.registry import blobs

    monkeypatch.setattr(blobs, "MARGIN", -10_000_000)
    server.put(make_image((os.urandom(8_000_000),)), "big")
    with pytest.raises(HostError) as caught:
        get(f"{server.host}/app:big", tiny / "blobs")
    assert caught.value.code == "host.disk-full"
