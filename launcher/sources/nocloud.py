# SPDX-License-Identifier: Apache-2.0
"""A seed: `user-data` and `meta-data` in a directory of the host, on a CD, or on another disk.

https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html

Whoever may attach a disk must not be root for it: unasked, only the host's own directory and a CD
count. On a machine that is asked for a seed, any disk that is labelled `cidata` is one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from launcher import files, mounts
from launcher.errors import HostError
from launcher.sources import discs
from launcher.sources.base import Found
from launcher.sources.service import SIZE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEEDS: Final = Path("/var/lib/cloud/seed")
LABELS: Final = Path("/dev/disk/by-label")
# It is there while udev has something to do.
QUEUE: Final = Path("/run/udev/queue")
PATIENCE: Final = 30.0  # seconds
PLACE: Final = Path("/run/hatchway/seed")
KINDS: Final = ("iso9660", "vfat")
LABEL: Final = "cidata"
_FLAGS: Final = (
    mounts.MS_RDONLY | mounts.MS_NODEV | mounts.MS_NOSUID | mounts.MS_NOEXEC
    | mounts.MS_NOSYMFOLLOW
)  # fmt: skip
_INSTANCE: Final = re.compile(r"^instance-id:\s*[\"']?([^\s\"'#]+)", re.MULTILINE)


def present() -> bool:
    """Whether this machine has a seed that counts unasked."""
    return directory() is not None or disk(asked=False) is not None


def read(*, asked: bool) -> Found:
    """What the seed holds; a directory stands above a disk, as with cloud-init.

    `asked` says that the settings or the firmware name this source.
    """
    if (place := directory()) is not None:
        return found(lambda name: files.read_own(place / name, limit=SIZE_LIMIT))
    device = disk(asked=asked)
    if device is None:
        message = f"there is no disk with the label {LABEL}, and no seed in {SEEDS}"
        raise HostError("host.metadata", message, "Name another source in [bootstrap] source.")
    with _mounted(device):
        return found(lambda name: content(PLACE, name))


def directory(seeds: Path = SEEDS) -> Path | None:
    """The seed that somebody put among the host's files."""
    places = (seeds / "nocloud", seeds / "nocloud-net")
    # Also where it is a link: that is refused aloud.
    return next((place for place in places if os.path.lexists(place / "user-data")), None)


def disk(*, asked: bool) -> Path | None:
    """The seed disk of this machine, if it has one; udev may not have come to it yet."""
    until = time.monotonic() + PATIENCE
    while (found := _disk(asked=asked)) is None and QUEUE.exists() and time.monotonic() < until:
        time.sleep(0.1)
    return found


def _disk(*, asked: bool) -> Path | None:
    if (drive := discs.named(LABEL)) is not None or not asked:
        return drive
    return next((path for path in (LABELS / LABEL, LABELS / LABEL.upper()) if path.exists()), None)


def found(read: Callable[[str], bytes]) -> Found:
    """The seed of which `read` gives a file by its name."""
    match = _INSTANCE.search(_optional(read, "meta-data").decode("utf-8", "replace"))
    return Found("nocloud", match[1] if match else "", _optional(read, "user-data"))


def _optional(read: Callable[[str], bytes], name: str) -> bytes:
    try:
        return read(name)
    except FileNotFoundError:
        return b""


@contextlib.contextmanager
def _mounted(device: Path) -> Iterator[None]:
    """Read-only, for as long as it takes to read it, and nothing on it is more than bytes."""
    files.own_directory(PLACE.parent)
    files.own_directory(PLACE, mode=0o700)
    failure: OSError | None = None
    for kind in KINDS:
        try:
            mounts.mount(str(device.resolve()), str(PLACE), kind, "", _FLAGS)
        except OSError as error:
            failure = error
        else:
            break
    else:
        message = f"the seed disk {device} cannot be mounted: {failure}"
        raise HostError("host.metadata", message, f"It must be {' or '.join(KINDS)}.")
    try:
        yield
    finally:
        mounts.detach(str(PLACE))


def content(place: Path, name: str) -> bytes:
    """A file of a disk that may be anybody's: no link is followed, and no device waited for."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    directory = os.open(place, flags | os.O_DIRECTORY)
    try:
        file = os.open(name, flags | os.O_NONBLOCK, dir_fd=directory)
        try:
            return _read(file, name)
        finally:
            os.close(file)
    except FileNotFoundError:
        raise
    except OSError as error:
        why = "is a link" if error.errno == errno.ELOOP else f"cannot be read: {error.strerror}"
        raise _refused(name, why) from None
    finally:
        os.close(directory)


def _read(file: int, name: str) -> bytes:
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise _refused(name, "is no regular file")
    with os.fdopen(file, "rb", closefd=False) as stream:
        data = stream.read(SIZE_LIMIT + 1)
    if len(data) > SIZE_LIMIT:
        raise _refused(name, f"is larger than {SIZE_LIMIT // 2**20} MiB")
    return data


def _refused(name: str, why: str) -> HostError:
    return HostError("host.metadata", f"{name} of the seed {why}")
