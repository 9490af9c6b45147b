# SPDX-License-Identifier: Apache-2.0
"""One command in a toolbox that is kept."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING

from launcher import interrupt, memory_limit, runtimes
from launcher.deadline import CLEAN_UP, Deadline
from launcher.errors import ContainerError, Exit, RuntimeUnavailableError
from launcher.runtimes.base import Entry
from toolbox import claims, foreground, kept, observing, planning, profiles, sweeping
from toolbox.claims import Claim, Record
from toolbox.relay import Relay
from toolbox.running import GRACE, HANGUP_GRACE, KILLED, NOT_THERE, TIMED_OUT, loss
from toolbox.shells import SHELLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from launcher.host import Host
    from launcher.monitor import Monitor
    from launcher.runtimes.base import Runtime
    from toolbox.kept import Kept
    from toolbox.request import Request
    from toolbox.running import Ensure


def run(
    request: Request, host: Host, ensure: Ensure, monitor: Monitor, *, changes: bool, make: bool
) -> int:  # fmt: skip
    """Run the command in the kept toolbox `request.keep`, with `make` made if need be; its status.

    `changes` says that the request names what a toolbox is made of: then one that was made of
    something else is refused.
    """
    with interrupt.noted():
        sweeping.sweep(host, monitor)
        present = kept.Kept.read(request.keep) if make else kept.found(request.keep)
        if present is not None and changes:
            kept.check(present, request)

        def start() -> Runtime:
            there = kept.Kept.read(request.keep)
            if there is not None:
                return kept.resume(there, host)
            choice = runtimes.choose(request.wish, host)
            image = ensure(choice.runtime, request.pull_timeout)
            interrupt.check()
            monitor.step(f"making the toolbox {request.keep}")
            # Until it is made, nothing else says where a launcher that is killed left it.
            again = choice.again
            claim.write(dataclasses.replace(record, runtime=again.name, socket=again.socket))
            kept.make(request, host, choice, image)
            return choice.runtime

        with claims.claim(claims.new_id()) as claim:
            record = _record(request, claim)
            claim.write(record)
            with kept.session(request.keep, start) as runtime:
                there = kept.found(request.keep)
                if profiles.named(there.profile).looks_only:
                    observing.check(profiles.DEFAULT, request)
                return _Visit(request, there, runtime, monitor).run(claim)


@dataclasses.dataclass(frozen=True, slots=True)
class _Visit:
    request: Request
    kept: Kept
    runtime: Runtime
    monitor: Monitor

    def run(self, claim: Claim) -> int:
        if self.request.command:
            return self._attempt(claim, self.request.command)
        for shell in SHELLS:
            status = self._attempt(claim, shell, silent=self.request.terminal)
            if status not in NOT_THERE:
                return status
        raise ContainerError("toolbox.no-shell", f"{self.kept.image} has no shell")

    def _attempt(self, claim: Claim, command: tuple[str, ...], *, silent: bool = False) -> int:
        if problem := self.runtime.entry_problem(self.kept.container, command[0]):
            if self.request.command:
                why = "not found" if problem == Exit.NOT_FOUND else "cannot be run"
                self.monitor.note(f"{command[0]}: {why} in the toolbox {self.kept.name}")
            return problem
        request = self.request
        entry = Entry(
            command=(*self.kept.prefix, *command),
            user=request.user,
            workdir=request.workdir,
            terminal=request.terminal,
            environment=request.environment,
        )
        argv = self.runtime.enter(self.kept.container, entry, scratch=claim.directory)
        self.monitor.close()
        hears = self._hears(claim)
        began = time.time()
        relay = None if hears is None or request.terminal else Relay(0, hears)
        try:
            with foreground.blocked(), foreground.terminal_kept():
                interrupt.check()
                streams = (relay.reader, 1, 2) if relay else None
                client = foreground.Client(argv, streams=streams, silent=silent, hears=hears)
                if relay:
                    relay.start()
                status = self._wait(client)
            if status == KILLED and not client.asked_to_end:
                self._say_why_killed(began)
            return status
        finally:
            if relay:
                relay.stop()
            # Clients of `exec` hand on no signal, and what they ran goes on without them.
            with interrupt.held(), contextlib.suppress(RuntimeUnavailableError):
                limit = Deadline.after(CLEAN_UP)
                self.runtime.within(limit).end_entry(self.kept.container, claim.directory)

    def _say_why_killed(self, began: float) -> None:
        found = self.runtime.find(self.kept.container)
        if found is not None and (why := memory_limit.reason(found.id, began)):
            self.monitor.note(why)

    def _hears(self, claim: Claim) -> Callable[[], bool] | None:
        """Whether the command is there for what its client hands on, if that hands on anything."""
        if not self.runtime.forwards_to_entries:
            return None
        return partial(
            self.runtime.hears_end_of_input, claim.directory, entered=self.kept.container
        )

    def _wait(self, client: foreground.Client) -> int:
        limit = self.request.timeout
        status = client.wait(time.monotonic() + limit if limit else None, grace=GRACE)
        if client.output_lost:
            self.monitor.note(loss(client.output_lost, status))
            client.send(signal.SIGTERM)
            client.end(grace=HANGUP_GRACE)
            return Exit.OURS
        if status is None:
            client.settle()
            client.send(signal.SIGTERM)
            client.end(grace=HANGUP_GRACE)
            if client.told_to_end:
                return 128 + client.asked_to_end
            self.monitor.note(f"the command was ended: {limit:g} s are over")
            return TIMED_OUT
        unheard = status in NOT_THERE or not self.runtime.forwards_to_entries
        if client.asked_to_end and unheard:
            return 128 + client.asked_to_end  # whatever the client made of it
        return status if status >= 0 else 128 - status


def _record(request: Request, claim: Claim) -> Record:
    return Record(
        id=claim.id,
        container=f"{planning.KEPT_PREFIX}{request.keep}",
        runtime="",
        socket="",
        namespace=request.wish.namespace,
        image=request.image,
        profile=request.profile,
        command=request.command,
        began=time.time(),
        pid=os.getpid(),
    )
