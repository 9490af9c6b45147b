# SPDX-License-Identifier: Apache-2.0
"""What is to run, from the settings and the machine's own user data, before any container.

Jobs that follow one another with the same image share one container start.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Final

from bootstrap_image.spec import Job, Mode
from launcher.bootstrap import userdata
from launcher.errors import UsageError
from launcher.settings.bootstrap import MACHINE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from launcher.settings import Bootstrap, Settings
    from launcher.sources.base import Found

MACHINE_ORDER: Final = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """Jobs for one image; `data` holds the user data of each by its file name.

    `commands` holds what each runs instead of the image's own entrypoint, by its name.
    `problem` says why none of them can run: what they need could not be had.
    """

    image: str
    jobs: tuple[Job, ...]
    data: dict[str, bytes] = dataclasses.field(repr=False)
    problem: str = ""
    commands: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def only(self, names: Iterable[str]) -> Batch:
        wanted = set(names)
        return dataclasses.replace(self, jobs=tuple(j for j in self.jobs if j.name in wanted))


@dataclasses.dataclass(frozen=True, slots=True)
class _Item:
    image: str
    job: Job
    data: bytes = b""
    problem: str = ""
    command: tuple[str, ...] = ()

    @property
    def batch(self) -> tuple[str, str, bool]:
        return self.image, self.problem, bool(self.command)


def plan(
    settings: Settings, found: Found, *, lost: str = "", unknown: str = ""
) -> tuple[Batch, ...]:
    """All jobs by order, then name, in batches.

    `lost` says why the machine's own user data cannot be had, `unknown` why it is not known which
    machine this is, so that nothing must run: what ran once would run again.
    """
    items = [*_machine(settings, found, lost)]
    for name, job in settings.bootstrap_containers.items():
        if job.mode != "off":
            items += _configured(name, job)
    if unknown:
        items = [dataclasses.replace(item, problem=item.problem or unknown) for item in items]
    items.sort(key=lambda item: (item.job.order, item.job.name))
    groups = itertools.groupby(_distinct(items), key=lambda item: item.batch)
    return tuple(_batch(list(members)) for _, members in groups)


def select(batches: Sequence[Batch], names: Iterable[str]) -> tuple[Batch, ...]:
    """Only the jobs of these names, or all of them; `UsageError` names those that are none."""
    wanted = set(names)
    if not wanted:
        return tuple(batches)
    known = {job.name for batch in batches for job in batch.jobs}
    if unknown := sorted(wanted - known):
        message = f"there is no job {', '.join(unknown)}"
        hint = f"Jobs are: {', '.join(sorted(known)) or 'none'}."
        raise UsageError("usage.invalid", message, hint)
    chosen = (batch.only(wanted) for batch in batches)
    return tuple(batch for batch in chosen if batch.jobs)


def _distinct(items: Iterable[_Item]) -> Iterator[_Item]:
    """A name is that of the first which has it: results and records are known by names."""
    taken = set[str]()
    for item in items:
        name = item.job.name
        problem = f"there is another job with the name {name}" if name in taken else ""
        yield dataclasses.replace(item, problem=item.problem or problem)
        taken.add(name)


def _batch(items: list[_Item]) -> Batch:
    data = {item.job.user_data: item.data for item in items}
    commands = {item.job.name: item.command for item in items if item.command}
    first = items[0]
    return Batch(first.image, tuple(item.job for item in items), data, first.problem, commands)


def _machine(settings: Settings, found: Found, lost: str) -> Iterator[_Item]:
    own = settings.bootstrap

    def item(name: str, mode: Mode, data: bytes = b"", problem: str = "") -> _Item:
        job = Job(name, name, mode, own.essential, own.step_timeout, own.retries, MACHINE_ORDER)
        return _Item(own.image, job, data, problem)

    if lost or found.data.strip():
        yield item(MACHINE, Mode.ONCE, found.data, lost)
    for name, script in found.scripts.items():
        yield item(f"{MACHINE}.{name}", Mode.ALWAYS, script)
    for name, why in found.undone.items():
        yield item(f"{MACHINE}.{name}", Mode.ALWAYS, problem=f"{name}: {why}")


def _configured(name: str, job: Bootstrap) -> Iterator[_Item]:
    try:
        sources = userdata.of(name, job)
    except OSError as error:
        problem = f"bootstrap-containers.{name}.file: {error.filename}: {error.strerror}"
        yield _Item(job.source, _job(name, job), problem=problem)
    except ValueError as error:
        problem = f"bootstrap-containers.{name}.file: {error}"
        yield _Item(job.source, _job(name, job), problem=problem)
    else:
        for part, data in sources.items():
            yield _Item(job.source, _job(part, job), data, command=tuple(job.command))


def _job(name: str, job: Bootstrap) -> Job:
    return Job(name, name, Mode(job.mode), job.essential, job.timeout, job.retries, job.order)
