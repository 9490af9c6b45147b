# SPDX-License-Identifier: Apache-2.0
"""Toolboxes that are kept: what is installed in them stays, and several may be inside at once.

Such a container runs `sleep` while somebody is inside, and every session is one more command in
it. Whoever leaves last stops it: a kept toolbox costs disk, and no process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import time
from typing import TYPE_CHECKING, Any, Final, Self

from launcher import files, interrupt, runtimes
from launcher.deadline import CLEAN_UP, NEVER, Deadline
from launcher.door import STATE
from launcher.errors import (
    ContainerError,
    HatchwayError,
    HostError,
    RuntimeUnavailableError,
)
from launcher.runtimes import Wish
from launcher.runtimes.base import State
from toolbox import claims, observing, planning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from launcher.host import Host
    from launcher.runtimes import Choice
    from launcher.runtimes.base import Image, Runtime
    from toolbox.request import Request

RECORDS: Final = STATE / "toolbox" / "kept"
SLEEP: Final = ("sleep", "2147483647")  # every sleep knows seconds, not every one `infinity`
GATE_LIMIT: Final = 60.0  # seconds: a start or a stop of another launcher
STOP_GRACE: Final = 1.0  # `sleep` needs none, and all others have left


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A toolbox on disk; `made` is in seconds since the epoch, `volumes` as they were asked for.

    `prefix` stands before each command in it.
    """

    name: str
    runtime: str
    socket: str
    namespace: str
    image: str
    image_digest: str
    profile: str
    host_rw: bool
    volumes: tuple[str, ...]
    made: float
    prefix: tuple[str, ...] = ()

    @property
    def container(self) -> str:
        return f"{planning.KEPT_PREFIX}{self.name}"

    def engine(self, host: Host, deadline: Deadline = NEVER) -> Runtime:
        again = Wish(self.runtime, self.socket, self.namespace)
        return runtimes.choose(again, host, deadline).runtime

    @classmethod
    def read(cls, name: str) -> Self | None:
        try:
            facts: dict[str, Any] = json.loads((RECORDS / f"{name}.json").read_bytes())
            lists = {"volumes": facts["volumes"], "prefix": facts.get("prefix", ())}
            return cls(**{**facts, **{name: tuple(words) for name, words in lists.items()}})
        except (OSError, ValueError, TypeError, KeyError):
            return None


def names() -> list[str]:
    return sorted(path.stem for path in RECORDS.glob("*.json"))


def found(name: str) -> Kept:
    """The toolbox of that name, or `ContainerError("toolbox.not-found")`."""
    kept = Kept.read(name)
    if kept is None:
        there = ", ".join(names()) or "none"
        hint = f"Kept toolboxes: {there}. Make it: hatchway toolbox run --keep {name} -- COMMAND"
        raise ContainerError("toolbox.not-found", f"there is no kept toolbox {name!r}", hint)
    return kept


def volumes(request: Request) -> tuple[str, ...]:
    return tuple(
        f"{each.source}:{each.target}:{'ro' if each.read_only else 'rw'}"
        for each in request.volumes
    )


def check(kept: Kept, request: Request) -> None:
    """Refuse what would take another container than the one that is there."""
    made_of = (kept.image, kept.profile, kept.host_rw, kept.volumes)
    asked = (request.image, request.profile, request.host_rw, volumes(request))
    differences = [
        name
        for name, old, new in zip(
            ("image", "profile", "--host-rw", "volumes"), made_of, asked, strict=True
        )
        if old != new
    ]
    if differences:
        message = f"the toolbox {kept.name} was made with another {', '.join(differences)}"
        hint = f"Enter it without these flags, or: hatchway toolbox rm {kept.name}"
        raise ContainerError("toolbox.exists", message, hint)


def make(request: Request, host: Host, choice: Choice, image: Image) -> Kept:
    """Create and start the container; under `session`, so that it happens once."""
    runtime, again = choice.runtime, choice.again
    wanted = dataclasses.replace(
        request, command=SLEEP, user="", workdir="", terminal=False,
        environment=planning.prompt(request.keep),
    )  # fmt: skip
    container = f"{planning.KEPT_PREFIX}{request.keep}"
    plan = planning.plan(wanted, host, image, container, engine=runtime.name)
    kept = Kept(
        name=request.keep,
        runtime=again.name,
        socket=again.socket,
        namespace=again.namespace,
        image=request.image,
        image_digest=image.config_digest,
        profile=request.profile,
        host_rw=request.host_rw,
        volumes=volumes(request),
        made=time.time(),
        prefix=observing.prefix(plan),
    )
    try:
        runtime.remove(kept.container, grace=STOP_GRACE)  # what a launcher left that was killed
        runtime.start(plan, keep=True)
    except BaseException as error:
        with interrupt.held(), contextlib.suppress(HatchwayError):
            runtime.within(Deadline.after(CLEAN_UP)).remove(kept.container, grace=STOP_GRACE)
        if isinstance(error, ContainerError) and _has_no_sleep(error.message):
            message = f"{request.image} has no `sleep`, by which a kept toolbox is kept running"
            hint = "Leave --keep out, or take an image that has one."
            raise ContainerError("toolbox.no-sleep", message, hint) from None
        raise
    for place in (STATE, STATE / "toolbox", RECORDS):
        files.own_directory(place, mode=0o755 if place == STATE else 0o700)
    files.write(RECORDS / f"{kept.name}.json", json.dumps(dataclasses.asdict(kept)).encode())
    return kept


def _has_no_sleep(message: str) -> bool:
    return "executable file not found" in message or "no such file or directory" in message


@contextlib.contextmanager
def session(name: str, start: Callable[[], Runtime]) -> Iterator[Runtime]:
    """Be inside: `start` makes the container or has it run; the last one who leaves stops it."""
    with _lock(name, "inside") as inside:
        with _gate(name):
            runtime = start()
            _take(inside, fcntl.LOCK_SH, name)
        try:
            yield runtime
        finally:
            with interrupt.held():
                fcntl.flock(inside, fcntl.LOCK_UN)
                with _gate(name):
                    if _try(inside, fcntl.LOCK_EX):
                        container = f"{planning.KEPT_PREFIX}{name}"
                        limit = Deadline.after(CLEAN_UP)
                        # One that hangs is not waited for: whoever leaves next stops it.
                        with contextlib.suppress(RuntimeUnavailableError):
                            runtime.within(limit).stop(container, grace=STOP_GRACE)


def resume(kept: Kept, host: Host) -> Runtime:
    """Have the container run; what somebody removed behind our back is told."""
    runtime = kept.engine(host)
    present = runtime.find(kept.container)
    if present is None:
        message = f"{runtime.name} has no container {kept.container} any more"
        hint = f"Forget it: hatchway toolbox rm {kept.name}"
        raise ContainerError("toolbox.not-found", message, hint)
    if present.state != State.RUNNING:
        runtime.resume(kept.container)
    return runtime


@contextlib.contextmanager
def half_made(name: str, host: Host, deadline: Deadline) -> Iterator[bool]:
    """Whether a launcher that was killed had not finished making it; meanwhile nobody else does.

    One that is made is stopped, unless somebody else is inside.
    """
    with _gate(name, deadline), _lock(name, "inside") as inside:
        kept = Kept.read(name)
        if kept is not None and _try(inside, fcntl.LOCK_EX):
            kept.engine(host, deadline).stop(kept.container, grace=STOP_GRACE)
        yield kept is None


def remove(name: str, host: Host, deadline: Deadline, *, force: bool) -> bool:
    """Remove the container and all that is in it; `ContainerError` while somebody is inside.

    With `force`, one whose engine does not answer is forgotten: False.
    """
    kept = found(name)
    with _gate(name, deadline), _lock(name, "inside") as inside:
        if not force and not _try(inside, fcntl.LOCK_EX):
            message = f"somebody is in the toolbox {name}"
            hint = f"Leave it first, or end them: hatchway toolbox rm --force {name}"
            raise ContainerError("toolbox.busy", message, hint)
        there = _remove_container(kept, host, deadline, forget=force)
        (RECORDS / f"{name}.json").unlink(missing_ok=True)
    return there


def _remove_container(kept: Kept, host: Host, deadline: Deadline, *, forget: bool) -> bool:
    try:
        kept.engine(host, deadline).remove(kept.container, grace=STOP_GRACE)
    except RuntimeUnavailableError as error:
        if forget:
            return False
        hint = f"Start its engine, or forget the toolbox: hatchway toolbox rm --force {kept.name}"
        raise RuntimeUnavailableError(error.code, error.message, hint) from None
    return True


def state(kept: Kept, host: Host, deadline: Deadline) -> str:
    """`running`, `stopped`, `gone`, or `unknown` where its engine does not answer."""
    try:
        present = kept.engine(host, deadline).find(kept.container)
    except HatchwayError:
        return "unknown"
    if present is None:
        return "gone"
    return "running" if present.state == State.RUNNING else "stopped"


@contextlib.contextmanager
def _gate(name: str, deadline: Deadline = NEVER) -> Iterator[None]:
    """Nobody else makes, starts, stops or removes it meanwhile."""
    with _lock(name, "gate") as gate:
        _take(gate, fcntl.LOCK_EX, name, deadline)
        yield


@contextlib.contextmanager
def _lock(name: str, what: str) -> Iterator[int]:
    place = claims.directory() / f"kept-{name}.{what}"
    with files.explained(place):
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, kind: int, name: str, deadline: Deadline = NEVER) -> None:
    limit = deadline.within(GATE_LIMIT)
    while not _try(descriptor, kind):
        if limit.passed:
            message = f"another launcher starts or stops the toolbox {name} for too long"
            raise HostError("host.busy", message, "Look at it: hatchway toolbox list")
        interrupt.check()
        time.sleep(0.05)


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
