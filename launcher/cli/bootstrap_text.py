# SPDX-License-Identifier: Apache-2.0
"""What became of user data, for a reader."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def render(facts: dict[str, Any]) -> Iterator[str]:
    """The state, the steps with their last lines where they failed, and the findings."""
    yield f"state     {facts['state']}" + ("" if facts["this_boot"] else ", of an earlier boot")
    if running := facts["running"]:
        place = f"{running['number']} of {running['total']}"
        yield f"running   {running['job']}/{running['step']} ({place})"
    last = facts["last"]
    if last and last["message"]:
        yield f"reason    {last['message']}"
    for record in facts["records"]:
        yield from _record(record)
    for finding in last["findings"] if last else ():
        place = f"{finding['job']}: {finding['path']}"
        yield f"finding   {finding['severity']}: {place}: {finding['message']}"


def _record(record: dict[str, Any]) -> Iterator[str]:
    when = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(record["started"]))
    ended = f", exit status {record['exit_status']}" if record["exit_status"] else ""
    name = f"{record['job']}/{record['step']}"
    yield f"step      {name}: {record['status']}{ended}, {when}, {record['duration']:.2f} s"
    if record["status"] != "succeeded":
        if record["message"]:
            yield f"          {record['message']}"
        yield from (f"          | {line}" for line in record["last_lines"])
