# SPDX-License-Identifier: Apache-2.0
"""Who runs which toolbox: a directory in /run for each, locked by its launcher while it lives.

The kernel frees the lock of a launcher that died, whatever killed it; then the next one removes
what was left. Toolboxes know nothing of each other, and the admin door's lock is not theirs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import secrets
import shutil
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from launcher import files

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN: Final = Path("/run/hatchway/toolbox")
_LOCK: Final = "lock"
_RECORD: Final = "record.json"
_KEPT: Final = "uncleared"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A toolbox that runs; `began` is in seconds since the epoch, `pid` is the launcher's."""

    id: str
    container: str
    runtime: str
    socket: str
    namespace: str
    image: str
    profile: str
    command: tuple[str, ...]
    began: float
    pid: int

    @classmethod
    def read(cls, directory: Path) -> Self | None:
        try:
            facts: dict[str, Any] = json.loads((directory / _RECORD).read_bytes())
            return cls(**{**facts, "command": tuple(facts["command"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """A place in /run that is this launcher's; `directory` holds its files of the moment."""

    id: str
    directory: Path

    def write(self, record: Record) -> None:
        files.write(self.directory / _RECORD, json.dumps(dataclasses.asdict(record)).encode())

    def keep(self) -> None:
        """Leave the record to the next launcher: the engine did not remove the container."""
        files.write(self.directory / _KEPT, b"")


def new_id() -> str:
    return secrets.token_hex(4)


def directory() -> Path:
    """The directory of all places, made if need be."""
    files.own_directory(RUN.parent)
    return files.own_directory(RUN, mode=0o700)


@contextlib.contextmanager
def claim(own: str) -> Iterator[Claim]:
    """Hold a place under this id; afterwards nothing of it is left, unless it is to be kept."""
    directory()
    # Under another name until it is locked: nobody takes it for a dead launcher's.
    fresh = RUN / f".{own}.{os.getpid()}"
    with files.explained(fresh):
        fresh.mkdir(mode=0o700)
        lock = os.open(fresh / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        place = fresh.rename(RUN / own)
        try:
            yield Claim(own, place)
        finally:
            if not (place / _KEPT).exists():
                shutil.rmtree(place, ignore_errors=True)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        os.close(lock)


def alive() -> list[Record]:
    """The toolboxes whose launchers live, oldest first."""
    found = [Record.read(place) for place in _places() if _locked(place)]
    return sorted((record for record in found if record), key=lambda record: record.began)


@contextlib.contextmanager
def dead(place: Path) -> Iterator[bool]:
    """Whether nobody lives at `place`; if so, nobody else clears it meanwhile."""
    try:
        lock = os.open(place / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(lock)


def places() -> list[Path]:
    """Every place in /run, whoever lives there; those in the making are left alone for a while."""
    return [*_places(), *(place for place in RUN.glob(".*.*") if _is_abandoned(place))]


def _is_abandoned(place: Path) -> bool:
    try:
        status = place.lstat()
    except OSError:  # it has its name by now
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_mtime < time.time() - 60


def _places() -> list[Path]:
    if not RUN.is_dir():
        return []
    return [path for path in RUN.iterdir() if path.is_dir() and not path.name.startswith(".")]


def _locked(place: Path) -> bool:
    with dead(place) as nobody:
        return not nobody and (place / _LOCK).exists()
