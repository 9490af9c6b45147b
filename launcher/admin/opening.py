# SPDX-License-Identifier: Apache-2.0
"""`admin start`: from nothing, or from whatever an earlier start left, to a door proven open."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from admin_image import spec
from launcher import contract, files, interrupt, locks, probe, runtimes
from launcher import door as doors
from launcher.admin import address, closing, failure, inputs, waiting
from launcher.admin.request import Opened, Request
from launcher.door import Door, Key
from launcher.errors import DoorError, HatchwayError
from launcher.proc import Process
from launcher.profiles import admin

if TYPE_CHECKING:
    from collections.abc import Callable

    from launcher.host import Host
    from launcher.keys.public_key import PublicKey
    from launcher.monitor import Monitor
    from launcher.plan import Plan
    from launcher.runtimes.base import Container, Image, Runtime

    # Has the image in the runtime within so many seconds, or raises.
    Ensure = Callable[[Runtime, float], Image]


def plan(request: Request, host: Host, image: Image) -> Plan:
    """What `open_door` starts."""
    return admin.plan(image, host, memory=request.memory, cpus=request.cpus, pids=request.pids)


def open_door(request: Request, host: Host, ensure: Ensure, monitor: Monitor) -> Opened:
    """Open the door and prove it, or adopt the one that is open.

    Several at once give one door. Whatever goes wrong, or whoever interrupts it, nothing stays
    behind but the reason, for `admin status`.
    """
    until = time.monotonic() + request.timeout
    files.own_directory(doors.RUN)
    lock = locks.hold(
        doors.LOCK, timeout=request.timeout, monitor=monitor, what="at work on the door"
    )
    with interrupt.noted(), lock:
        found = doors.read()
        if found is not None and found.state == "open" and found.alive():
            if adopted := _adopt(found, request):
                monitor.step("the door is open already")
                return adopted
            monitor.note("the door that was open does not answer: opening a new one")
        start = None
        try:
            address.require_ours(request.listen)
            choice = runtimes.choose(request.wish, host)
            monitor.step(f"using {choice.runtime.describe()}: {choice.why}")
            start = _Start(request, host, choice.runtime, monitor, until)
            return Opened(start.run(ensure))
        except BaseException as error:
            with interrupt.held():
                if start is not None:
                    start.abandon()
                failure.record(interrupt.cause(error))
            # An engine may pass the signal on to the container, whose end then looks like a fault.
            interrupt.check()
            raise


def _adopt(found: Door, request: Request) -> Opened | None:
    """Prove the open door once more and let new keys in as well; None when it does not answer."""
    try:
        probe.prove(
            found.address, found.port, user=found.user, host_key=found.host_key,
            timeout=probe.CONNECT_LIMIT,
        )  # fmt: skip
    except DoorError:
        return None
    admitted = {key.fingerprint for key in found.keys}
    fresh = [key for key in request.access.keys if key.fingerprint not in admitted]
    if fresh:
        inputs.append_keys(fresh)
        found = dataclasses.replace(found, keys=(*found.keys, *map(_key, fresh)))
        doors.write(found)
    return Opened(found, True, tuple(_differences(found, request)))


def _differences(found: Door, request: Request) -> list[str]:
    """What is asked for and cannot be given without closing the door on those who are inside."""
    access, present = request.access, inputs.read()
    lists = {
        "the trusted CAs are": {key.fingerprint for key in access.cas}
        - {key.fingerprint for key in found.trusted_cas},
        "the principals are": set(access.principals) - set(found.principals),
    }
    other = [f"{name} not all those asked for" for name, missing in lists.items() if missing]
    if access.data.settings() not in ((), present.data.settings() if present else ()):
        other.append("the user data's algorithms, command or password are not as asked")
    asked = {
        "image": (found.image, request.image),
        "address": (found.address, request.listen.address),
        "port": (found.port, request.listen.port),
        "user": (found.user, request.access.user),
    }
    return other + [
        f"{name} is {is_now or 'every address'}, not {wanted or 'every address'} as asked"
        for name, (is_now, wanted) in asked.items()
        if is_now != wanted
    ]


@dataclasses.dataclass(frozen=True, slots=True)
class _Start:
    """One start, under the lock; `until` is on the monotonic clock."""

    request: Request
    host: Host
    runtime: Runtime
    monitor: Monitor
    until: float

    def run(self, ensure: Ensure) -> Door:
        self._claim()
        self._clear_stale()
        probe.preload()  # not before: what asks the engine is loaded first, and it needs the CPU
        address.require_free(self.request.listen)
        image = ensure(self.runtime, self._left())
        contract.require(
            image,
            label=spec.CONTRACT_LABEL,
            contract=spec.CONTRACT,
            asked=self.request.image,
        )
        planned = plan(self.request, self.host, image)
        for note in planned.notes:
            self.monitor.note(note)
        inputs.write(self.request.access, self.request.listen)
        self.monitor.step("starting the container")
        container = self.runtime.start(planned)
        phase = waiting.await_open(container.pid, self.until)
        for warning in phase.warnings:
            self.monitor.note(warning)
        self.monitor.step("proving the door")
        opened = self._door(planned, container, phase)
        probe.prove(
            opened.address, opened.port, user=opened.user, host_key=opened.host_key,
            timeout=self._left(),
        )  # fmt: skip
        interrupt.check()
        opened = dataclasses.replace(opened, opened=time.time())
        doors.write(opened)
        failure.forget()
        return opened

    def abandon(self) -> None:
        """Leave nothing; what goes wrong here hides nothing of what went wrong before."""
        with contextlib.suppress(HatchwayError):
            closing.clear(self.runtime, grace=1)

    def _left(self) -> float:
        return max(1.0, self.until - time.monotonic())

    def _claim(self) -> None:
        """Say that a start is under way: `status` can tell it, and `stop` can end it."""
        myself = Process.of(os.getpid())
        assert myself is not None  # noqa: S101 - we are alive
        doors.write(dataclasses.replace(self._blank(), pid=myself.pid, started=myself.started))

    def _clear_stale(self) -> None:
        """Remove what an interrupted start, a crash or a dead shim left under our name."""
        if self.runtime.find(admin.NAME) is not None:
            self.monitor.step("removing what an earlier start left")
            self.runtime.remove(admin.NAME, grace=1)

    def _blank(self) -> Door:
        request = self.request
        return Door(
            state="starting",
            pid=0,
            started=0,
            runtime=self.runtime.name,
            socket=request.wish.socket,
            namespace=request.wish.namespace,
            container=admin.NAME,
            image=request.image,
            address=request.listen.address,
            port=request.listen.port,
            user=request.access.user,
            opened=time.time(),
        )

    def _door(self, planned: Plan, container: Container, phase: spec.Phase) -> Door:
        process = Process.of(phase.pid)
        if process is None:
            raise waiting.died()
        access = self.request.access
        return dataclasses.replace(
            self._blank(),
            state="open",
            pid=process.pid,
            started=process.started,
            container_id=container.id,
            image_digest=planned.image.config_digest,
            plan=planned.digest(),
            host_key=_host_key(),
            keys=tuple(map(_key, access.keys)),
            trusted_cas=tuple(map(_key, access.cas)),
            principals=access.principals,
            notes=(*planned.notes, *phase.warnings),
        )


def _host_key() -> str:
    return " ".join(Path(f"{spec.HOST_KEY_FILE}.pub").read_text(encoding="utf-8").split()[:2])


def _key(key: PublicKey) -> Key:
    return Key(key.fingerprint, key.kind, key.comment, key.source)
