# SPDX-License-Identifier: Apache-2.0
"""The files in STATE: a record of each step, and a mark of each job that came to its end.

The directories are root's alone; links in them are never followed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from bootstrap_image import spec
from bootstrap_image.spec import Record
from launcher import files
from launcher.bootstrap.due import Mark
from launcher.errors import HatchwayError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

MARKS: Final = "jobs"  # below STATE
LIMIT: Final = 1 << 20  # bytes of one file


def every() -> Iterator[Record]:
    """Every step that ever ran, as it ended last."""
    for job in _jobs(Path(spec.STEPS)):
        for path in sorted(job.glob("*.json")):
            if (record := decoded(path, Record.from_json)) is not None:
                yield record


def of(names: Iterable[str]) -> dict[str, Record]:
    """Those of these records, by their names below STATE, that can be read and trusted."""
    found: dict[str, Record] = {}
    for name in names:
        with contextlib.suppress(HatchwayError):
            if (record := decoded(Path(spec.STATE, name), Record.from_json)) is not None:
                found[name] = record
    return found


def write(record: Record, name: str) -> str:
    """Keep the record of a step that is no script, where a script's would be; its name."""
    place = directory("steps", spec.scope(record.instance_id), record.job)
    files.write(place / name, record.to_json().encode())
    return os.fspath((place / name).relative_to(spec.STATE))


def mark(instance_id: str, job: str) -> Mark | None:
    """The mark of a job, if there is one that can be read and trusted."""
    try:
        path = _marks() / spec.scope(instance_id) / f"{job}.json"
        return decoded(path, Mark.from_json)
    except HatchwayError:
        return None


def write_mark(instance_id: str, job: str, made: Mark | None) -> None:
    """Keep the mark of a job, or forget the one that there was."""
    path = directory(MARKS, spec.scope(instance_id)) / f"{job}.json"
    if made is not None:
        files.write(path, made.to_json().encode())
        return
    with files.explained(path):
        path.unlink(missing_ok=True)


def reset(name: str) -> None:
    """Forget a job, so that it runs again; `UsageError` when nothing is known of it."""
    jobs = [path for path in _jobs(Path(spec.STEPS)) if path.name == name]
    marks = [path for path in _every_mark() if path.stem == name]
    if not jobs and not marks:
        known = sorted({path.name for path in _jobs(Path(spec.STEPS))})
        message = f"nothing is known of a job {name!r}"
        hint = f"Jobs that ran are: {', '.join(known) or 'none'}."
        raise UsageError("usage.invalid", message, hint)
    for path in marks:
        path.unlink(missing_ok=True)
    for path in jobs:
        shutil.rmtree(path)


def directory(*names: str) -> Path:
    """A directory below STATE, made when missing, for nobody but root."""
    place = Path(spec.STATE)
    files.own_directory(place.parent)
    files.own_directory(place, mode=0o700)
    for name in names:
        place = files.own_directory(place / name, mode=0o700)
    return place


def decoded(path: Path, decode: Callable[[str], T]) -> T | None:
    """What a file of ours holds: None when it is missing or damaged.

    `HostError` when it, or its directory, is a link or could have been written by others.
    """
    try:
        return decode(files.read_own(path, limit=LIMIT).decode())
    except (OSError, ValueError):
        return None


def _marks() -> Path:
    return Path(spec.STATE, MARKS)


def _every_mark() -> Iterator[Path]:
    for scope in _directories(_marks()):
        yield from scope.glob("*.json")


def _jobs(place: Path) -> Iterator[Path]:
    """PLACE/SCOPE/JOB, each a real directory."""
    for scope in _directories(place):
        yield from _directories(scope)


def _directories(place: Path) -> Iterator[Path]:
    if place.is_symlink():
        return
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(place) as entries:
        real = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        yield from (place / name for name in sorted(real))
