# SPDX-License-Identifier: Apache-2.0
"""What became of user data, for a reader."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

OF_A_SUCCESS: Final = 3  # last lines shown of a step that succeeded; of another, all that are kept
HASH: Final = 12  # digits


def render(facts: dict[str, Any]) -> Iterator[str]:
    """The state, then each step with what it came from and how it ended, then the findings."""
    # What runs now is of this boot, whatever the last summary is of.
    earlier = facts["last"] and not facts["this_boot"] and facts["state"] != "running"
    yield f"state     {facts['state']}" + (", of an earlier boot" if earlier else "")
    if running := facts["running"]:
        place = f"{running['number']} of {running['total']}"
        since = _moment(running["started"])
        yield f"running   {running['job']}/{running['step']} ({place}), since {since}"
    last = facts["last"]
    if last and last["message"]:
        yield f"reason    {last['message']}"
    if facts["nothing_due"] and facts["state"] != "running":
        yield "last run  nothing was due: all had been done before"
    for record in sorted(facts["records"], key=lambda record: float(record["started"])):
        yield from _record(record)
    for step in last["steps"] if last else ():
        if step["status"] == "not-run":
            name = "/".join(filter(None, (step["job"], step["step"])))
            yield f"not run   {name}: {step['message']}"
    for finding in last["findings"] if last else ():
        place = f"{finding['job']}: {finding['path']}"
        yield f"finding   {finding['severity']}: {place}: {finding['message']}"


def _record(record: dict[str, Any]) -> Iterator[str]:
    good = record["status"] == "succeeded"
    when = _moment(record["started"])
    ended = "" if record["exit_status"] is None else f", exit status {record['exit_status']}"
    tries = f", {record['attempts']} attempts" if record["attempts"] > 1 else ""
    name = f"{record['job']}/{record['step']}"
    yield f"step      {name}: {record['status']}{ended}, {record['duration']:.2f} s{tries}, {when}"
    yield f"          from {record['source']}, sha256 {record['sha256'][:HASH]}"
    if record["message"]:
        yield f"          {record['message']}"
    lines = record["last_lines"]
    yield from (f"          | {line}" for line in (lines[-OF_A_SUCCESS:] if good else lines))


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(seconds))
