# SPDX-License-Identifier: Apache-2.0
"""A seed disk: a small file system with the label `cidata`, with `user-data` and `meta-data`."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from launcher import files, mounts
from launcher.errors import HostError
from launcher.sources.base import Found
from launcher.sources.service import SIZE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator

LABELS: Final = Path("/dev/disk/by-label")
PLACE: Final = Path("/run/hatchway/seed")
KINDS: Final = ("iso9660", "vfat")
_INSTANCE: Final = re.compile(r"^instance-id:\s*[\"']?([^\s\"'#]+)", re.MULTILINE)


def device(labels: Path = LABELS) -> Path | None:
    """The seed disk of this machine, if it has one."""
    return next((labels / name for name in ("cidata", "CIDATA") if (labels / name).exists()), None)


def read() -> Found:
    """What the seed disk holds; it is mounted read-only for as long as that takes."""
    disk = device()
    if disk is None:
        message = "there is no disk with the label cidata"
        raise HostError("host.metadata", message, "Name another source in [bootstrap] source.")
    with _mounted(disk):
        described = _content("meta-data").decode("utf-8", "replace")
        match = _INSTANCE.search(described)
        return Found("nocloud", match[1] if match else "", _content("user-data"))


@contextlib.contextmanager
def _mounted(disk: Path) -> Iterator[None]:
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


def _content(name: str) -> bytes:
    try:
        with (PLACE / name).open("rb") as stream:
            data = stream.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        return b""
    if len(data) > SIZE_LIMIT:
        message = f"{name} of the seed disk is larger than {SIZE_LIMIT // 2**20} MiB"
        raise HostError("host.metadata", message)
    return data
