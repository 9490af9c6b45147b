# SPDX-License-Identifier: Apache-2.0
"""Targets named by an engine's own id or name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from launcher import process
from launcher.errors import HostError, RuntimeUnavailableError
from launcher.runtimes.base import State
from toolbox.target import containerd
from toolbox.target.found import Candidate, missing, nearest, pick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolbox.target.containerd import Containerd
    from toolbox.target.name import Name

_STATES: Final = {
    "created": State.CREATED, "configured": State.CREATED, "initialized": State.CREATED,
    "running": State.RUNNING, "restarting": State.RUNNING, "removing": State.RUNNING,
    "stopping": State.RUNNING, "paused": State.PAUSED,
}  # fmt: skip
# podman's templates give the state in other words than its JSON; docker knows only templates.
_FORMAT: Final = {"docker": "{{json .}}", "podman": "json"}


def by_containerd(name: Name, engines: Sequence[Containerd]) -> Candidate:
    """The container of that id, beginning of an id, or name, of whichever containerd has it."""
    found = [
        candidate
        for engine in engines
        for candidate in engine.find(
            name.namespace,
            containerd.matches("id", containerd.beginning(name.name)),
            containerd.equals(containerd.CONTAINER, name.name),
            containerd.equals(containerd.NERDCTL_NAME, name.name),
        )
    ]
    chosen = pick(name, found)
    if chosen is None:
        raise missing(name, _near_containerd(name, engines), _where(name, engines))
    return chosen


def _near_containerd(name: Name, engines: Sequence[Containerd]) -> list[str]:
    """Ids that look alike, names that do, and the same id in another namespace."""
    near: list[str] = []
    for engine in engines:
        alike = nearest(name.name, engine.ids(name.namespace))
        pattern = containerd.almost([name.name])
        fields = (f'labels."{label}"' for label in (containerd.CONTAINER, containerd.NERDCTL_NAME))
        named = engine.find(
            name.namespace, *(containerd.matches(field, pattern) for field in fields)
        )
        near += [f"containerd://{name.namespace}/{one}" for one in alike]
        near += [one.describe() for one in named]
        for other in engine.namespaces():
            if other != name.namespace:
                start = containerd.matches("id", containerd.beginning(name.name))
                near += [f"containerd://{other}/{one}" for one in engine.ids(other, start)]
    return near


def _where(name: Name, engines: Sequence[Containerd]) -> str:
    sockets = ", ".join(engine.socket for engine in engines)
    return f"(looked in namespace {name.namespace} of {sockets})"


def by_client(name: Name, client: tuple[str, ...]) -> Candidate:
    """The container of that id, beginning of an id, or name; `client` is docker's or podman's."""
    # Two questions, whatever the number of containers.
    listing = _ask(client, "ps", "--all", "--no-trunc", "--format", _FORMAT[name.kind])
    everyone = parse_listing(name.kind, listing)
    fits = [one for one in everyone if one.id.startswith(name.name) or one.name == name.name]
    chosen = pick(name, fits)
    if chosen is None:
        near = nearest(name.name, [one.name for one in everyone])
        raise missing(name, [f"{name.kind}://{one}" for one in near], "here")
    if not chosen.live:
        return chosen
    state = _ask(client, "inspect", "--format", "{{.State.Pid}} {{.State.Status}}", chosen.id)
    pid, status = state.split()
    return Candidate(
        runtime=name.kind, prefix=chosen.prefix, id=chosen.id, name=chosen.name,
        state=_STATES.get(status, State.STOPPED), pid=int(pid),
    )  # fmt: skip


def parse_listing(runtime: str, listing: str) -> list[Candidate]:
    """Read podman's array, or docker's object on each line; the first of several names counts."""
    text = listing.strip()
    found: list[dict[str, Any]] = (
        json.loads(text)
        if text.startswith("[")
        else [json.loads(line) for line in text.splitlines()]
    )
    return [
        Candidate(
            runtime=runtime,
            prefix=f"{runtime}://",
            id=one.get("Id") or one["ID"],
            name=_first(one.get("Names") or ""),
            state=_STATES.get(str(one.get("State", "")).lower(), State.STOPPED),
        )
        for one in found
    ]


def _first(names: str | list[str]) -> str:
    return (names.split(",") if isinstance(names, str) else names)[0]


def _ask(client: tuple[str, ...], *argv: str) -> str:
    try:
        done = process.run((*client, *argv), timeout=containerd.ASK_LIMIT, check=False)
    except HostError as error:
        if error.code != "host.timeout":
            raise
        raise RuntimeUnavailableError("runtime.timeout", error.message) from None
    if done.status:
        message = f"{client[0].rpartition('/')[2]} could not {argv[0]}: {done.complaint()}"
        raise RuntimeUnavailableError("runtime.failed", message)
    return done.text()
