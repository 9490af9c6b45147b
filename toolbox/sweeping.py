# SPDX-License-Identifier: Apache-2.0
"""What launchers left that were killed, and what a power cut left: removed by the next one."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
from typing import TYPE_CHECKING

from launcher import files, runtimes
from launcher.deadline import Deadline
from launcher.errors import HatchwayError
from launcher.runtimes import Wish
from toolbox import claims, kept
from toolbox.planning import KEPT_PREFIX, PREFIX

if TYPE_CHECKING:
    from pathlib import Path

    from launcher.host import Host
    from launcher.monitor import Monitor
    from launcher.runtimes.base import Runtime
    from toolbox.claims import Record

LIMIT = 10.0  # seconds: the toolbox that starts now has its own work to do
GRACE = 1.0  # seconds; whoever used it has gone
RECENT = 60.0  # seconds in which an engine may still be making what a killed client asked for


def sweep(host: Host, monitor: Monitor) -> None:
    """Remove the containers of dead launchers; living ones are never touched.

    What an engine does not remove now stays recorded for the next time.
    """
    limit = Deadline.after(LIMIT)
    for place in claims.places():
        with claims.dead(place) as nobody:
            if nobody and not limit.passed:
                _clear(place, host, monitor, limit)


def sweep_engine(runtime: Runtime, monitor: Monitor) -> None:
    """Once a boot: what this engine still holds of toolboxes from before it."""
    mark = (
        claims.directory() / f"swept.{hashlib.sha256(runtime.describe().encode()).hexdigest()[:16]}"
    )
    if mark.exists():
        return
    for name in runtime.names(PREFIX):
        if not (claims.RUN / name.removeprefix(PREFIX)).exists():
            monitor.note(f"removing {name}, which nobody runs any more")
            with contextlib.suppress(HatchwayError):
                runtime.remove(name, grace=GRACE)
    files.write(mark, b"")


def _clear(place: Path, host: Host, monitor: Monitor, limit: Deadline) -> None:
    record = claims.Record.read(place)
    if record is not None:
        try:
            _end(record, host, place, limit)
        except HatchwayError:
            return  # an engine that is gone is no trouble of the toolbox that starts now
        monitor.note(f"removed the toolbox {record.id}, whose launcher had been killed")
    shutil.rmtree(place, ignore_errors=True)


def _end(record: Record, host: Host, place: Path, limit: Deadline) -> None:
    def remove() -> None:
        wish = Wish(record.runtime, record.socket, record.namespace)
        runtime = runtimes.choose(wish, host, limit).runtime
        late = time.time() - record.began < RECENT and not runtime.made(place)
        runtime.remove(record.container, grace=GRACE, late=late)

    if not record.container.startswith(KEPT_PREFIX):
        remove()
        return
    with kept.half_made(record.container.removeprefix(KEPT_PREFIX), host, limit) as half_made:
        if half_made and record.runtime:
            remove()
