# SPDX-License-Identifier: Apache-2.0
"""Archives that would fill a disk or the memory: refused early, and nothing is left of them."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from launcher import images
from launcher.errors import HostError, ImageError
from launcher.image_names import Terms
from launcher.incoming import Limits
from launcher.monitor import SilentMonitor
from launcher.runtimes.base import USUAL_STORAGE
from tests.conftest import ROOT
from tests.launcher import bombs
from tests.launcher.bench import Bench
from tests.launcher.registry_faults import FaultyRegistry
from tests.launcher.small_images import make_image
from tests.launcher.test_archive import written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from launcher.runtimes.base import Runtime

MIB = bombs.MIB
LIMITS = Limits(unpacked=100 * MIB, files=5000)
# In a process of its own, whose memory and files are limited by the kernel.
CONFINED = """
import resource, sys
from pathlib import Path
from launcher.errors import ImageError
from launcher.incoming import Limits, inspect_archive
own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (own + 256 * 2**20, own + 256 * 2**20))
resource.setrlimit(resource.RLIMIT_FSIZE, (101 * 2**20, 101 * 2**20))
archive, scratch = map(Path, sys.argv[1:])
limits = Limits(unpacked=100 * 2**20, files=5000)
try:
    with inspect_archive(archive, scratch=scratch, limits=limits):
        print("taken")
except ImageError as error:
    print(error.code, error.message)
"""


def json_of(size: int) -> bytes:
    """A `manifest.json` that is long."""
    return b"[" + b'{"Config":"c","Layers":[]},' * (size // 27) + b'{"Config":"c","Layers":[]}]'


def four_gigabytes(packer: str) -> bytes:
    """Of zeros, in 4 MB."""
    return bombs.packed_zeros(bombs.header(size=2**32), 64, packer)


BOMBS: dict[str, Callable[[], bytes]] = {
    "the archive in gzip": lambda: four_gigabytes("gzip"),
    "a layer in gzip": lambda: written(bombs.image_of(four_gigabytes("gzip"))),
    "a layer in zstd": lambda: written(bombs.image_of(four_gigabytes("zstd"), media="zstd")),
    "zeros behind a layer": lambda: written(bombs.image_of(bombs.packed_zeros(bytes(1024), 64))),
    "a sparse layer": lambda: written(bombs.sparse_layer(2**32)),
    "a sparse layer of pax": lambda: written(
        bombs.image_of(
            bombs.pax(b"22 GNU.sparse.major=1\n") + bombs.header() + bytes(1024), media=""
        )
    ),
    "many files in a layer": lambda: written(bombs.many_files(10_000)),
    "many members": lambda: bombs.header() * 50_000,
    "extended headers without end": lambda: bombs.endless_headers(25_000),
    "extended headers without end in gzip": lambda: gzip.compress(bombs.endless_headers(25_000), 1),
    "an extended header that is huge": lambda: gzip.compress(
        bombs.header(size=90 * MIB, kind=b"x") + bytes(90 * MIB)
    ),
    "a long name that is huge": lambda: gzip.compress(
        bombs.header(size=90 * MIB, kind=b"L") + b"a" * (90 * MIB), 1
    ),
    "a size that is none": lambda: bombs.pax(b"12 size=-99\n") + bombs.header(),
    "a size beyond the end": lambda: bombs.pax(b"20 size=99999999999\n") + bombs.header("a"),
    "a huge manifest.json": lambda: bombs.tar_of({"manifest.json": json_of(5 * MIB)}),
    "many images": lambda: bombs.tar_of({"manifest.json": json_of(3 * MIB)}),
    "nested JSON": lambda: bombs.tar_of({"manifest.json": b"[" * (3 * MIB)}),
    "one layer a million times": lambda: bombs.tar_of(
        {
            "c": b"{}",
            "l": bytes(10 * MIB),
            "manifest.json": json.dumps([{"Config": "c", "Layers": ["l"] * 500_000}]).encode(),
        }
    ),
}  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(FaultyRegistry("localhost:1"), tmp_path / "store")


@pytest.mark.parametrize("make", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_in_little_memory_and_leaves_nothing(
    make: Callable[[], bytes], tmp_path: Path
) -> None:
    archive, store = tmp_path / "bomb", tmp_path / "store"
    store.mkdir()
    data = make()
    assert len(data) < 60 * MIB
    archive.write_bytes(data)
    argv = (sys.executable, "-c", CONFINED, str(archive), str(store))
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)
    assert done.stdout.startswith("image.archive the image archive cannot be taken: "), done.stderr
    assert list(store.iterdir()) == []


@pytest.mark.parametrize("packer", bombs.PACKERS)
def test_a_layer_within_the_limit_is_taken_and_one_beyond_it_is_not(
    bench: Bench, packer: str
) -> None:
    image = written(bombs.packed_layer(1, packer))
    assert bench.load(image, limits=LIMITS).config_digest
    loads = bench.engine.loads
    with pytest.raises(ImageError, match="unpack to too much; the limit is 60 MiB") as caught:
        bench.load(image, limits=Limits(unpacked=60 * MIB))
    assert (caught.value.code, "archive-limit" in caught.value.hint) == ("image.archive", True)
    assert (bench.engine.loads, list(bench.store.iterdir())) == (
        loads,
        [bench.store / images.RECORD],
    )


def test_the_limit_is_for_all_layers_together(bench: Bench) -> None:
    image = written(make_image((bytes(40 * MIB), b"\1" + bytes(40 * MIB))))
    assert bench.load(image, limits=LIMITS)
    with pytest.raises(ImageError, match="its layers unpack to too much"):
        bench.load(image, limits=Limits(unpacked=70 * MIB))


def test_a_pipe_without_end_is_cut_off(bench: Bench) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source:
        feeder = threading.Thread(target=_pour, args=(writing,))
        feeder.start()
        with pytest.raises(ImageError, match="it unpacks to too much"):
            images.load(
                source, runtime=_runtime(bench), store=bench.store, monitor=SilentMonitor(),
                timeout=20, terms=Terms(), limits=LIMITS,
            )  # fmt: skip
    feeder.join(20)
    assert (feeder.is_alive(), list(bench.store.iterdir())) == (False, [])


def _pour(sink: int) -> None:
    with os.fdopen(sink, "wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * MIB)
        except BrokenPipeError:
            pass


def _runtime(bench: Bench) -> Runtime:
    runtime: Runtime = bench.engine  # type: ignore[assignment]
    return runtime


def test_room_on_the_engines_disk_is_looked_at_first(bench: Bench) -> None:
    image = written(make_image((bytes(MIB),)))
    scarce = os.statvfs(USUAL_STORAGE)
    assert bench.load(image).config_digest
    full = os.statvfs_result((*scarce[:4], 1000, *scarce[5:]))  # MIB and its layer do not fit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "statvfs", lambda _: full)
        with pytest.raises(HostError, match="not enough room at /var/lib") as caught:
            bench.load(image)
    assert (caught.value.code, bench.engine.loads) == ("host.disk-full", 1)


def test_an_archive_that_changes_under_us_is_not_believed(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = make_image((os.urandom(100_000),))
    # Packed, random bytes are not always equally long.
    others = (make_image((os.urandom(100_000),)) for _ in range(1000))
    evil = next(each for each in others if len(each.layers[0]) == len(good.layers[0]))
    path = tmp_path / "image.tar"
    data = written(good, "localhost/app:1")
    path.write_bytes(data)
    layer, other = good.layers[0], evil.layers[0]
    changed = data.replace(layer, other)
    find = bench.engine.find_image

    def swap(name: str) -> object:  # between the look at it and the load
        path.write_bytes(changed)
        return find(name)

    monkeypatch.setattr(bench.engine, "find_image", swap)
    with pytest.raises(ImageError, match="it was changed while it was read"):
        images.load(
            path, runtime=_runtime(bench), store=bench.store, monitor=SilentMonitor(), timeout=20,
            terms=Terms(), limits=Limits(),
        )  # fmt: skip


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "small", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.engine
def test_some_of_the_disk_is_left_whatever_comes(small_disk: Path) -> None:
    """4 GiB come; a watcher of the disk sees that the reserve is never touched."""
    bench = Bench(FaultyRegistry("localhost:1"), small_disk / "store")
    least = [os.statvfs(small_disk).f_bavail]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            least[0] = min(least[0], os.statvfs(small_disk).f_bavail)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with pytest.raises(HostError) as caught:
            bench.load(BOMBS["the archive in gzip"](), limits=Limits())
    finally:
        over.set()
        watcher.join()
    assert (caught.value.code, list((small_disk / "store").iterdir())) == ("host.disk-full", [])
    kept = 400 * MIB // 20
    free = os.statvfs(small_disk)
    assert least[0] * free.f_frsize >= kept
    assert least[0] * free.f_frsize < 300 * MIB, (
        "it was written to, so that there was something to see"
    )
