# SPDX-License-Identifier: Apache-2.0
"""A seed: `user-data` and `meta-data` in a directory of the host, or on a disk labelled `cidata`.

https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html
"""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from launcher import files, mounts
from launcher.errors import HostError
from launcher.sources.base import Found
from launcher.sources.service import SIZE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS: Final = Path("/var/lib/cloud/seed")
LABELS: Final = Path("/dev/disk/by-label")
# It is there while udev has something to do.
QUEUE: Final = Path("/run/udev/queue")
PATIENCE: Final = 30.0  # seconds
PLACE: Final = Path("/run/hatchway/seed")
KINDS: Final = ("iso9660", "vfat")
_INSTANCE: Final = re.compile(r"^instance-id:\s*[\"']?([^\s\"'#]+)", re.MULTILINE)


def present() -> bool:
    """Whether this machine has a seed."""
    return directory() is not None or device() is not None


def directory(seeds: Path = SEEDS) -> Path | None:
    """The seed that somebody put among the host's files."""
    places = (seeds / "nocloud", seeds / "nocloud-net")
    return next((place for place in places if (place / "user-data").is_file()), None)


def device(labels: Path = LABELS) -> Path | None:
    """The seed disk of this machine, if it has one; udev may not have come to it yet."""
    until = time.monotonic() + PATIENCE
    while (disk := _device(labels)) is None and QUEUE.exists() and time.monotonic() < until:
        time.sleep(0.1)
    return disk


def _device(labels: Path) -> Path | None:
    return next((labels / name for name in ("cidata", "CIDATA") if (labels / name).exists()), None)


def read() -> Found:
    """What the seed holds; a directory stands above a disk, as with cloud-init."""
    if (place := directory()) is not None:
        return found(place)
    disk = device()
    if disk is None:
        message = f"there is no disk with the label cidata, and no seed in {SEEDS}"
        raise HostError("host.metadata", message, "Name another source in [bootstrap] source.")
    with _mounted(disk):
        return found(PLACE)


def found(place: Path) -> Found:
    """The seed in a directory, be it a mounted disk."""
    match = _INSTANCE.search(_content(place, "meta-data").decode("utf-8", "replace"))
    return Found("nocloud", match[1] if match else "", _content(place, "user-data"))


@contextlib.contextmanager
def _mounted(disk: Path) -> Iterator[None]:
    """Read-only, for as long as it takes to read it."""
    files.own_directory(PLACE.parent)
    files.own_directory(PLACE, mode=0o700)
    flags = mounts.MS_RDONLY | mounts.MS_NODEV | mounts.MS_NOSUID
    failure: OSError | None = None
    for kind in KINDS:
        try:
            mounts.mount(str(disk.resolve()), str(PLACE), kind, "", flags)
        except OSError as error:
            failure = error
        else:
            break
    else:
        message = f"the seed disk {disk} cannot be mounted: {failure}"
        raise HostError("host.metadata", message, f"It must be {' or '.join(KINDS)}.")
    try:
        yield
    finally:
        mounts.detach(str(PLACE))


def _content(place: Path, name: str) -> bytes:
    try:
        with (place / name).open("rb") as stream:
            data = stream.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        return b""
    if len(data) > SIZE_LIMIT:
        message = f"{name} of the seed is larger than {SIZE_LIMIT // 2**20} MiB"
        raise HostError("host.metadata", message)
    return data
