# SPDX-License-Identifier: Apache-2.0
"""All that is to run, and for which instance; what cannot be had is a problem of its jobs alone."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from launcher import sources
from launcher.bootstrap import batches, results
from launcher.bootstrap.context import Request
from launcher.errors import HostError
from launcher.settings import parse_size
from launcher.sources.base import Found

if TYPE_CHECKING:
    from collections.abc import Iterable

    from launcher.bootstrap.batches import Batch
    from launcher.settings import Settings


@dataclasses.dataclass(frozen=True, slots=True)
class Gathered:
    """The jobs in batches, and the instance that they are for: empty where nobody names one.

    `source` is what named it.
    """

    batches: tuple[Batch, ...]
    instance_id: str
    source: str


def gather(settings: Settings, names: Iterable[str] = ()) -> Gathered:
    """Ask the source of user data, and read the settings' files; only `names`, where there are any.

    A source that does not answer fails the machine's own user data. The other jobs run for the
    instance of the last run; where there was none, nothing must run: once would not be once.
    """
    own = settings.bootstrap
    try:
        found = sources.read(own.source, own.address)
    except HostError as error:
        lost = f"{error.message} [{error.code}]"
        last = results.read()
        found = Found(own.source, last.instance_id if last else "")
        unknown = "" if found.instance_id else f"it is not known which machine this is: {lost}"
        planned = batches.plan(settings, found, lost=lost, unknown=unknown)
    else:
        planned = batches.plan(settings, found)
    return Gathered(batches.select(planned, names), found.instance_id, found.source)


def request(settings: Settings, gathered: Gathered) -> Request:
    """What a run is asked for, within the limits of the settings."""
    own = settings.bootstrap
    return Request(
        batches=gathered.batches,
        instance_id=gathered.instance_id,
        source=gathered.source,
        memory=parse_size(own.memory),
        cpus=own.cpus,
        pids=own.pids,
        timeout=own.timeout,
        capabilities=tuple(own.capabilities),
    )
