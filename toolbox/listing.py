# SPDX-License-Identifier: Apache-2.0
"""All toolboxes of this host, for people and for programs."""

from __future__ import annotations

import dataclasses
import shlex
import time
from typing import TYPE_CHECKING, Any

from toolbox import claims, kept, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from launcher.deadline import Deadline
    from launcher.host import Host


def look(host: Host, deadline: Deadline) -> dict[str, Any]:
    """The documented form: `kept`, `running` and `work`."""
    there = [found for name in kept.names() if (found := kept.Kept.read(name))]
    return {
        "kept": [
            {**dataclasses.asdict(each), "state": kept.state(each, host, deadline)}
            for each in there
        ],
        "running": [dataclasses.asdict(record) for record in claims.alive()],
        "work": [each.as_json() for each in work.every()],
    }


def render(found: dict[str, Any]) -> Iterator[str]:
    """The same as lines."""
    for each in found["kept"]:
        yield f"kept     {each['name']:20} {each['state']:8} {each['image']}"
    for each in found["running"]:
        command = shlex.join(each["command"]) or "a shell"
        yield f"running  {each['id']:20} {_age(each['began']):>8} {command}"
    for each in found["work"]:
        status = "" if each["status"] is None else f" {each['status']}"
        state = f"{each['state']}{status}"
        yield f"work     {each['id']:20} {state:8} {shlex.join(each['command'])}"
    if not any(found.values()):
        yield "There are no toolboxes."


def _age(since: float) -> str:
    seconds = max(0, int(time.time() - since))
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
