# SPDX-License-Identifier: Apache-2.0
"""`admin status`: what there is and why, from /run and /proc alone, so that it is instant.

No engine is asked: it may be slow or down, which is when one wants to know.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

from admin_image.spec import BELOW_SESSIONS
from launcher import door as doors
from launcher import memory_limit, sessions, tcp
from launcher.admin import failure

if TYPE_CHECKING:
    from launcher.door import Door
    from launcher.sessions import Session

State = Literal["closed", "starting", "open", "failed", "died", "interrupted"]
LOG_LINES = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Reason:
    """Why the door is not open."""

    code: str
    message: str
    hint: str = ""
    log: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Status:
    """`ready` is whether one could log in now.

    `uncleared` is a closed door whose container an engine still has, since it did not answer.
    """

    state: State
    ready: bool
    door: Door | None = None
    reason: Reason | None = None
    sessions: tuple[Session, ...] = ()
    uncleared: Door | None = None


def look() -> Status:
    """The state of the door, of a start that is under way, or of the one that failed last."""
    found = doors.read()
    if found is None:
        return _closed()
    if found.state == "closed":
        return dataclasses.replace(_closed(), uncleared=found)
    if found.state == "starting":
        return _starting(found)
    if not found.alive():
        return _died(found)
    found = _with_news(found)
    sockets = list(tcp.sockets())  # once: the kernel takes 10 ms to list them
    if tcp.listener(found.address, found.port, sockets) is None:
        message = f"nothing listens on port {found.port}, though the container runs"
        hint = "Look at `hatchway admin logs`, then `hatchway admin restart`."
        return Status("open", False, found, Reason("door.handshake", message, hint))
    return Status("open", True, found, None, tuple(sessions.current(found.port, sockets)))


def as_json(status: Status) -> dict[str, Any]:
    """The documented JSON form: the door's facts beside its state."""
    facts: dict[str, Any] = {"state": status.state, "ready": status.ready}
    if status.door is not None:
        facts |= door_facts(status.door)
    facts["reason"] = status.reason and dataclasses.asdict(status.reason)
    facts["sessions"] = [session._asdict() for session in status.sessions]
    facts["uncleared"] = uncleared_facts(status.uncleared)
    return facts


def uncleared_facts(door: Door | None) -> dict[str, str] | None:
    """What an engine still has of a door that is closed, and why, if any does."""
    if door is None:
        return None
    return {"runtime": door.runtime, "container": door.container, "message": door.uncleared}


def door_facts(door: Door) -> dict[str, Any]:
    """What a client needs to come in, and what a person wants to know of the door."""
    facts: dict[str, Any] = {
        "user": door.user,
        "uid": door.uid,
        "address": door.host,
        "listen": door.address or "*",
        "port": door.port,
        "host_key": door.host_key,
        "host_key_fingerprint": door.fingerprint,
        "host_keys": [
            {"type": key.split()[0], "key": key, "fingerprint": doors.host_fingerprint(key)}
            for key in door.host_keys
        ],
        "known_hosts": door.known_hosts,
        "since": door.opened,
        "runtime": door.runtime,
        "container": door.container,
        "container_id": door.container_id,
        "pid": door.pid,
        "image": door.image,
        "image_digest": door.image_digest,
        "plan": door.plan,
        "keys": [dataclasses.asdict(key) for key in door.keys],
        "trusted_cas": [dataclasses.asdict(key) for key in door.trusted_cas],
        "principals": door.principals,
        "notes": doors.notes(door),
    }
    return facts


def _with_news(found: Door) -> Door:
    """The door with what the container has noted since it was opened."""
    phase = doors.phase()
    said = phase.warnings if phase is not None and phase.pid == found.pid else ()
    return dataclasses.replace(found, notes=tuple(dict.fromkeys((*found.notes, *said))))


def _closed() -> Status:
    last = failure.read()
    if last is None:
        return Status("closed", False)
    return Status("failed", False, None, Reason(last.code, last.message, last.hint))


def _starting(found: Door) -> Status:
    if found.alive():
        message = f"a start is under way (pid {found.pid})"
        return Status("starting", False, found, Reason("container.not-running", message))
    message = f"the launcher (pid {found.pid}) was cut off while it started the door"
    hint = "Start again, which cleans up; or `hatchway admin stop`."
    return Status("interrupted", False, found, Reason("door.interrupted", message, hint))


def _died(found: Door) -> Status:
    phase = doors.phase()
    said = phase.message if phase is not None and phase.phase == "failed" else "the container ended"
    container = found.container_id or found.container
    if why := memory_limit.reason(container, found.opened, besides=BELOW_SESSIONS):
        said = f"{said}: {why}"
    hint = "Start again, which cleans up; `hatchway admin logs` says more."
    log = doors.log_tail(LOG_LINES)
    return Status("died", False, found, Reason("container.died", said, hint, log))
