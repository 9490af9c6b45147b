# SPDX-License-Identifier: Apache-2.0
"""`admin start`: from nothing, or from whatever an earlier start left, to a door proven open."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from admin_image import spec
from launcher import door as doors
from launcher import files, interrupt, probe, proc, profiles, runtimes
from launcher.admin import closing, failure
from launcher.door import Door, Key
from launcher.errors import ContainerError, DoorError, HatchwayError, ImageError
from launcher.proc import Process

if TYPE_CHECKING:
    from collections.abc import Callable

    from launcher.host import Host
    from launcher.keys.access import Access
    from launcher.keys.public_key import PublicKey
    from launcher.monitor import Monitor
    from launcher.plan import Plan
    from launcher.runtimes import Choice, Wish
    from launcher.runtimes.base import Container, Image, Runtime
    from launcher.settings import Listen

    # Has the image in the runtime within so many seconds, or raises.
    Ensure = Callable[[Runtime, float], Image]

POLL: Final = 0.02
LOG_LINES: Final = 8


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that a start depends on; `timeout` in seconds bounds all of it, the pull too."""

    image: str
    listen: Listen
    access: Access
    wish: Wish
    memory: int
    cpus: float
    pids: int
    timeout: float


@dataclasses.dataclass(frozen=True, slots=True)
class Opened:
    """A proven door; `adopted` when it was open before, `differences` where it is not as asked."""

    door: Door
    adopted: bool
    differences: tuple[str, ...]


def plan(request: Request, host: Host, image: Image) -> Plan:
    """What `open_door` starts."""
    return profiles.admin(image, host, memory=request.memory, cpus=request.cpus, pids=request.pids)


def open_door(request: Request, host: Host, ensure: Ensure, monitor: Monitor) -> Opened:
    """Open the door and prove it, or adopt the one that is open.

    Several at once give one door. Whatever goes wrong, or whoever interrupts it, nothing stays
    behind but the reason, for `admin status`.
    """
    until = time.monotonic() + request.timeout
    with doors.locked(request.timeout):
        found = doors.read()
        if found is not None and found.state == "open" and found.alive():
            if (adopted := _adopt(found, request)) is not None:
                monitor.step("the door is open already")
                return adopted
            monitor.note("the door that was open does not answer: opening a new one")
        _check_listen(request.listen, found)
        choice = runtimes.choose(request.wish, host)
        monitor.step(f"using {choice.runtime.describe()} ({choice.why})")
        _claim(request, choice)
        try:
            return Opened(_open(request, host, choice, ensure, monitor, until), False, ())
        except BaseException as error:
            with interrupt.held():
                _abandon(choice.runtime, error)
            raise


def _abandon(runtime: Runtime, error: BaseException) -> None:
    with contextlib.suppress(HatchwayError):  # the first error is the one that matters
        closing.clear(runtime, grace=1)
    failure.record(error)


def _open(
    request: Request,
    host: Host,
    choice: Choice,
    ensure: Ensure,
    monitor: Monitor,
    until: float,
) -> Door:
    probe.preload()
    # What an interrupted start, a crash or a dead shim left under our name.
    if choice.runtime.find(profiles.ADMIN_NAME) is not None:
        monitor.step("removing what an earlier start left")
        choice.runtime.remove(profiles.ADMIN_NAME, grace=1)
    image = ensure(choice.runtime, until - time.monotonic())
    _check_contract(image, request.image)
    planned = plan(request, host, image)
    for note in planned.notes:
        monitor.note(note)
    _write_inputs(request)
    monitor.step("starting the container")
    container = choice.runtime.start(planned)
    phase = _await_open(container, until)
    for warning in phase.warnings:
        monitor.note(warning)
    monitor.step("proving the door")
    host_key = _host_key()
    probe.prove(
        request.listen.address or "127.0.0.1",
        request.listen.port,
        user=request.access.user,
        host_key=host_key,
        timeout=max(1.0, until - time.monotonic()),
    )
    opened = _door(request, choice, planned, container, host_key, phase)
    doors.write(opened)
    failure.forget()
    return opened


def _adopt(found: Door, request: Request) -> Opened | None:
    """Prove the open door once more and let the new keys in as well; None when it does not answer."""
    try:
        probe.prove(
            found.address or "127.0.0.1", found.port,
            user=found.user, host_key=found.host_key, timeout=probe.CONNECT_LIMIT,
        )  # fmt: skip
    except DoorError:
        return None
    admitted = {key.fingerprint for key in found.keys}
    fresh = [key for key in request.access.keys if key.fingerprint not in admitted]
    if fresh:
        _append_keys(fresh)
        found = dataclasses.replace(found, keys=(*found.keys, *map(_key, fresh)))
        doors.write(found)
    return Opened(found, True, tuple(_differences(found, request)))


def _append_keys(fresh: list[PublicKey]) -> None:
    """sshd reads the file at every login: nobody who is inside notices."""
    path = Path(spec.KEYS_FILE)
    lines = path.read_bytes() + b"".join(f"{key.line()}\n".encode() for key in fresh)
    files.write(path, lines, mode=0o644)


def _differences(found: Door, request: Request) -> list[str]:
    asked = {
        "image": (found.image, request.image),
        "address": (found.address, request.listen.address),
        "port": (found.port, request.listen.port),
        "user": (found.user, request.access.user),
    }
    return [
        f"{name} is {is_now or 'every address'}, not {wanted or 'every address'} as asked"
        for name, (is_now, wanted) in asked.items()
        if is_now != wanted
    ]


def _check_listen(listen: Listen, stale: Door | None) -> None:
    """Refuse a port that another program holds, and an address that is not ours, by name."""
    family = socket.AF_INET6 if ":" in listen.address else socket.AF_INET
    with socket.socket(family) as trial:
        try:
            trial.bind((listen.address, 0))
        except OSError as error:
            message = f"cannot listen on {listen.address}: {error.strerror}"
            hint = "Choose an address of this host (ip address), or leave it out."
            raise DoorError("door.address", message, hint) from None
    holder = proc.listener(listen.address, listen.port)
    if holder is None or (stale is not None and stale.alive() and stale.port == listen.port):
        return
    owner = proc.owner(holder.inode)
    name = f"{proc.title(owner.pid)} (pid {owner.pid})" if owner else "a program out of sight"
    message = f"port {listen.port} is held by {name}"
    hint = "Choose another port: --listen PORT or --listen ADDRESS:PORT"
    raise DoorError("door.port-busy", message, hint, pid=owner.pid if owner else 0)


def _check_contract(image: Image, asked: str) -> None:
    said = image.labels.get(spec.CONTRACT_LABEL)
    if said == str(spec.CONTRACT):
        return
    what = f"one for contract {said}" if said else "no Hatchway admin image"
    message = f"{asked} is {what}; this launcher speaks contract {spec.CONTRACT}"
    raise ImageError("image.contract", message, "Take the image of the same release: --image")


def _claim(request: Request, choice: Choice) -> None:
    """Say that a start is under way, so that `status` can tell and `stop` can end it."""
    myself = Process.of(os.getpid())
    assert myself is not None  # noqa: S101 - we are alive
    doors.write(
        Door(
            state="starting",
            pid=myself.pid,
            started=myself.started,
            runtime=choice.runtime.name,
            socket=request.wish.socket,
            namespace=request.wish.namespace,
            container=profiles.ADMIN_NAME,
            image=request.image,
            address=request.listen.address,
            port=request.listen.port,
            user=request.access.user,
            opened=time.time(),
        )  # fmt: skip
    )


def _write_inputs(request: Request) -> None:
    """The container's specification and keys, and the directories that it mounts."""
    for path in (Path(spec.RUN), Path(spec.LOG), Path(spec.STATE).parent):
        files.own_directory(path)
    files.own_directory(Path(spec.STATE), mode=0o700)
    Path(spec.PHASE_FILE).unlink(missing_ok=True)
    access = request.access
    door = access.door(listen=request.listen.address, port=request.listen.port)
    files.write(Path(spec.SPEC_FILE), door.to_json().encode())
    lists = {
        spec.KEYS_FILE: [key.line() for key in access.keys],
        spec.CA_FILE: [key.line() for key in access.cas],
        spec.PRINCIPALS_FILE: access.principals,
    }
    for name, lines in lists.items():
        files.write(Path(name), "".join(f"{line}\n" for line in lines).encode(), mode=0o644)


def _await_open(container: Container, until: float) -> spec.Phase:
    """Wait until the container says that sshd listens; what it says instead becomes the error."""
    process = Process.of(container.pid)
    while time.monotonic() < until:
        phase = doors.phase()
        if phase is not None and phase.phase == "open":
            return phase
        if phase is not None and phase.phase == "failed":
            hint = "Look at `hatchway admin logs`."
            raise DoorError(phase.code, phase.message, hint, log=doors.log_tail(LOG_LINES))
        if process is None or not process.alive():
            _raise_died(process)
        time.sleep(POLL)
    message = "the container runs, but its SSH server did not come up in time"
    hint = "Give it longer with --timeout, or look at `hatchway admin logs`."
    raise DoorError("door.timeout", message, hint, log=doors.log_tail(LOG_LINES))


def _raise_died(process: Process | None) -> None:
    phase = doors.phase()
    if phase is not None and phase.phase == "failed":
        raise DoorError(phase.code, phase.message, log=doors.log_tail(LOG_LINES))
    tail = doors.log_tail(LOG_LINES)
    last = tail.splitlines()[-1] if tail else "it left no log"
    message = f"the container ended before the door was open: {last}"
    raise ContainerError("container.died", message, "Look at `hatchway admin logs`.", log=tail)


def _host_key() -> str:
    return " ".join(Path(f"{spec.HOST_KEY_FILE}.pub").read_text(encoding="utf-8").split()[:2])


def _door(
    request: Request,
    choice: Choice,
    planned: Plan,
    container: Container,
    host_key: str,
    phase: spec.Phase,
) -> Door:
    process = Process.of(phase.pid)
    if process is None:
        _raise_died(None)
        raise AssertionError
    return Door(
        state="open", pid=process.pid, started=process.started,
        runtime=choice.runtime.name, socket=request.wish.socket,
        namespace=request.wish.namespace, container=planned.name, container_id=container.id,
        image=request.image, image_digest=planned.image.config_digest, plan=planned.digest(),
        address=request.listen.address, port=request.listen.port, user=request.access.user,
        host_key=host_key,
        keys=tuple(map(_key, request.access.keys)),
        trusted_cas=tuple(map(_key, request.access.cas)),
        principals=request.access.principals,
        opened=time.time(), notes=(*planned.notes, *phase.warnings),
    )  # fmt: skip


def _key(key: PublicKey) -> Key:
    return Key(key.fingerprint, key.kind, key.comment)
