# SPDX-License-Identifier: Apache-2.0
"""`admin start`: from nothing, or from whatever an earlier start left, to a door proven open."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from admin_image import spec
from admin_image.algorithms import OFFERS
from launcher import contract, files, interrupt, locks, probe, runtimes
from launcher import door as doors
from launcher.admin import account, address, adopting, closing, failure, inputs, kill_door, waiting
from launcher.admin.request import Opened, Request
from launcher.deadline import CLEAN_UP, Deadline
from launcher.door import Door, Key
from launcher.errors import HatchwayError
from launcher.proc import Process
from launcher.profiles import admin
from launcher.runtimes import user_namespace

if TYPE_CHECKING:
    from collections.abc import Callable

    from admin_image.algorithms import Policy
    from launcher.host import Host
    from launcher.monitor import Monitor
    from launcher.plan import Plan
    from launcher.runtimes import Choice
    from launcher.runtimes.base import Container, Image, Runtime

    # Has the image in the runtime within so many seconds, or raises.
    Ensure = Callable[[Runtime, float], Image]

HUNG_CLEAN_UP: Final = 3.0  # seconds for an engine that has just let the time of all run out


def plan(request: Request, host: Host, image: Image) -> Plan:
    """What `open_door` starts."""
    return admin.plan(image, host, memory=request.memory, cpus=request.cpus, pids=request.pids)


def open_door(request: Request, host: Host, ensure: Ensure, monitor: Monitor) -> Opened:
    """Open the door and prove it, or adopt the one that is open.

    Several at once give one door. Whatever goes wrong, or whoever interrupts it, nothing stays
    behind but the reason, for `admin status`.
    """
    return _open(request, host, ensure, monitor, Deadline.after(request.timeout))


def _open(
    request: Request, host: Host, ensure: Ensure, monitor: Monitor, deadline: Deadline
) -> Opened:
    files.own_directory(doors.RUN)
    lock = locks.hold(
        doors.LOCK, timeout=deadline.left(), monitor=monitor, what="at work on the door"
    )
    with interrupt.noted(), lock:
        found = doors.read()
        if found is not None and found.state == "open" and found.alive():
            if adopted := adopting.adopt(found, request, deadline):
                monitor.step("the door is open already")
                return adopted
            monitor.note("the door that was open does not answer: opening a new one")
        start = None
        try:
            address.require_ours(request.listen)
            choice = runtimes.choose(request.wish, host, deadline)
            monitor.step(f"using {choice.runtime.describe()}: {choice.why}")
            if found is not None and closing.wish_of(found) != choice.again:
                left = closing.clear_elsewhere(found, host, deadline.within(CLEAN_UP)).uncleared
                if left is not None:
                    monitor.note(f"{found.runtime} still has the container of the last door")
                found = None
            start = _Start(request, host, choice, monitor, deadline, found)
            return Opened(start.run(ensure))
        except BaseException as error:
            # An engine may pass the signal on to the container, whose end then looks like a fault.
            why = interrupt.cause(error)
            with interrupt.held():
                if start is not None:
                    start.abandon(why)
                failure.record(why)
            if why is not error:
                raise why from None
            raise


def reopen_door(request: Request, host: Host, ensure: Ensure, monitor: Monitor) -> Opened:
    """Close the door and open it anew; what can fail beforehand leaves the present one open."""
    closing.require_outside(doors.read(), "restart")
    deadline = Deadline.after(request.timeout)
    with interrupt.noted():
        address.require_ours(request.listen)
        runtime = runtimes.choose(request.wish, host, deadline).runtime
        _image(request, runtime, ensure, deadline)
        interrupt.check()
    with interrupt.held():
        closing.close_door(request.wish, host, deadline=deadline)
    interrupt.check()
    return _open(request, host, ensure, monitor, deadline)


def _image(request: Request, runtime: Runtime, ensure: Ensure, deadline: Deadline) -> Image:
    image = ensure(runtime, deadline.left())
    contract.require(
        image,
        label=spec.CONTRACT_LABEL,
        contract=spec.CONTRACT,
        asked=request.image,
    )
    return image


@dataclasses.dataclass(frozen=True, slots=True)
class _Start:
    """One start, under the lock; `found` is the record that an earlier one left.

    What that one began may not be there yet.
    """

    request: Request
    host: Host
    choice: Choice
    monitor: Monitor
    deadline: Deadline
    found: Door | None

    @property
    def runtime(self) -> Runtime:
        return self.choice.runtime

    def run(self, ensure: Ensure) -> Door:
        kill_door.end(self.found, grace=1)  # while there is a record that says what is to end
        self._claim()
        self._clear_stale()
        address.require_free(self.request.listen)
        uid = account.choose_uid(self.request.uid)
        probe.preload()  # not before: what asks the engine is loaded first, and it needs the CPU
        image = _image(self.request, self.runtime, ensure, self.deadline)
        planned = plan(self.request, self.host, image)
        cautions = self.runtime.cautions()
        for note in (*planned.notes, *cautions):
            self.monitor.note(note)
        inputs.write(self.request.access, self.request.listen, uid, cautions)
        self.monitor.step("starting the container")
        container = self.runtime.start(planned)
        user_namespace.check_owner(container, self.runtime.name)
        phase = waiting.await_open(container.pid, self.deadline.end)
        for warning in phase.warnings:
            self.monitor.note(warning)
        self.monitor.step("proving the door")
        opened = dataclasses.replace(self._door(planned, container, phase, cautions), uid=uid)
        probe.prove(
            opened.address, opened.port, user=opened.user, host_keys=opened.host_keys,
            keys=self.request.access.provable, timeout=self.deadline.left(),
        )  # fmt: skip
        interrupt.check()
        opened = dataclasses.replace(opened, opened=time.time())
        doors.write(opened)
        failure.forget()
        return opened

    def abandon(self, why: BaseException) -> None:
        """Leave nothing; what goes wrong here hides nothing of what went wrong before."""
        silent = isinstance(why, HatchwayError) and why.code == "runtime.timeout"
        limit = Deadline.after(HUNG_CLEAN_UP if silent else CLEAN_UP)
        with contextlib.suppress(HatchwayError):
            closing.clear(doors.read(), lambda: self.runtime.within(limit), grace=1)

    def _claim(self) -> None:
        """Say that a start is under way: `status` can tell it, and `stop` can end it."""
        myself = Process.of(os.getpid())
        assert myself is not None  # noqa: S101 - we are alive
        doors.write(dataclasses.replace(self._blank(), pid=myself.pid, started=myself.started))

    def _clear_stale(self) -> None:
        """Remove what an interrupted start, a crash or a dead shim left under our name."""
        if self.found is not None or self.runtime.find(admin.NAME) is not None:
            self.monitor.step("removing what an earlier start left")
            late = self.found is not None and self.found.state == "closed"
            self.runtime.remove(admin.NAME, grace=1, late=late)

    def _blank(self) -> Door:
        request, again = self.request, self.choice.again
        return Door(
            state="starting",
            pid=0,
            started=0,
            runtime=again.name,
            socket=again.socket,
            namespace=again.namespace,
            container=admin.NAME,
            image=request.image,
            address=request.listen.address,
            port=request.listen.port,
            user=request.access.user,
            opened=time.time(),
        )

    def _door(
        self, planned: Plan, container: Container, phase: spec.Phase, cautions: tuple[str, ...]
    ) -> Door:
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
            host_keys=_host_keys(access.rules.policy),
            keys=tuple(map(Key.of, access.logins)),
            trusted_cas=tuple(map(Key.of, access.authorities)),
            principals=access.principals,
            notes=(*planned.notes, *cautions, *phase.warnings),
        )


def _host_keys(policy: Policy) -> tuple[str, ...]:
    files = (f"{spec.HOST_KEY_FILES[kind]}.pub" for kind in OFFERS[policy].host_keys)
    return tuple(" ".join(Path(file).read_text(encoding="utf-8").split()[:2]) for file in files)
