# SPDX-License-Identifier: Apache-2.0
"""One command in a toolbox of its own: started, waited for, and nothing left of it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import time
from typing import TYPE_CHECKING, Final

from launcher import cgroups, interrupt, memory_limit, runtimes
from launcher.deadline import CLEAN_UP, NEVER, Deadline
from launcher.errors import ContainerError, Exit, HatchwayError, RuntimeUnavailableError
from launcher.runtimes.base import State
from toolbox import claims, foreground, planning, sweeping
from toolbox.claims import Claim, Record
from toolbox.relay import Relay
from toolbox.shells import SHELLS
from toolbox.target import joining, pinning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from launcher.host import Host
    from launcher.monitor import Monitor
    from launcher.plan import Plan
    from launcher.runtimes import Choice
    from launcher.runtimes.base import Image, Runtime
    from toolbox.request import Request
    from toolbox.spawning import Streams
    from toolbox.target.found import Target

    Ensure = Callable[[Runtime, float], Image]

TIMED_OUT: Final = 124  # as timeout(1) has it
KILLED: Final = 128 + signal.SIGKILL
GRACE: Final = 10.0  # seconds between SIGTERM and SIGKILL
HANGUP_GRACE: Final = 1.0
ENGINE_LIMIT: Final = (
    30.0  # until an engine that is asked at the beginning counts as one that hangs
)
END_LIMIT: Final = 3.0  # for what was killed to be gone
NOT_THERE: Final = (Exit.CANNOT_INVOKE, Exit.NOT_FOUND)


def run(
    request: Request, host: Host, ensure: Ensure, monitor: Monitor, *,
    own: str = "", streams: Streams = None,
) -> int:  # fmt: skip
    """Run the command and give its exit status; 124 when `timeout` ended it.

    Whatever happens, the container and what was written for it are gone afterwards. `own` is the
    id under which others know it; `streams` are for the command instead of ours.
    """
    with interrupt.noted():
        sweeping.sweep(host, monitor)
        choice = runtimes.choose(request.wish, host, Deadline.after(ENGINE_LIMIT))
        sweeping.sweep_engine(choice.runtime, monitor)
        choice = dataclasses.replace(choice, runtime=choice.runtime.within(NEVER))
        image = ensure(choice.runtime, request.pull_timeout)
        interrupt.check()
        session = _Session(request, host, choice, image, monitor, streams)
        with claims.claim(own or claims.new_id()) as claim:
            return session.run(claim)


def loss(error: OSError, status: int | None) -> str:
    """What to say where output could not be written; `status` is None while the command runs."""
    what = "ending the command" if status is None else f"the command ended with status {status}"
    return f"output is lost, as it cannot be written ({error.strerror}): {what}"


@dataclasses.dataclass(frozen=True, slots=True)
class _Session:
    request: Request
    host: Host
    choice: Choice
    image: Image
    monitor: Monitor
    streams: Streams

    @property
    def runtime(self) -> Runtime:
        return self.choice.runtime

    def run(self, claim: Claim) -> int:
        joined = self.request.joining is not None and joining.is_ours(self.image)
        if self.request.command or joined:  # beside a target our image knows which shell
            return self._attempt(claim, self.request.command, last=True)
        for shell in SHELLS:
            status = self._attempt(claim, shell, last=False)
            if status not in NOT_THERE:
                return status
        message = f"{self.request.image} has no shell"
        hint = "Name a command of it: hatchway toolbox run --image IMAGE -- COMMAND"
        raise ContainerError("toolbox.no-shell", message, hint)

    def _attempt(self, claim: Claim, command: tuple[str, ...], *, last: bool) -> int:
        wanted = dataclasses.replace(self.request, command=command)
        plan = planning.plan(
            wanted, self.host, self.image, f"{planning.PREFIX}{claim.id}", engine=self.runtime.name
        )
        for note in plan.notes if last else ():
            self.monitor.note(note)
        claim.write(self._record(claim, plan))
        quiet = not last and self.request.terminal  # a terminal's stderr is the client's alone
        clean = late = False
        began = time.time()
        try:
            with pinning.pinned(plan, self._target()) as joined:
                argv = self.runtime.foreground(
                    joined, interactive=self.request.interactive, scratch=claim.directory
                )
                self.monitor.close()
                with foreground.blocked(), foreground.terminal_kept():
                    interrupt.check()
                    with self._input(plan, claim.directory) as streams:
                        client = foreground.Client(
                            argv,
                            streams=streams,
                            silent=quiet,
                            hears=lambda: self._runs(plan, claim.directory),
                            # Some of what starts a container leaves files where it began.
                            directory=claim.directory,
                        )
                    status, ended = self._wait(client, plan)
            # A client that a signal reaches as it starts the container leaves it half made.
            clean = ended and not client.asked_to_end
            cut_off = bool(client.asked_to_end) or client.killed
            late = cut_off and not self.runtime.made(claim.directory)
            if ended:
                status = self.runtime.verdict(plan, status, claim.directory)
            if status == KILLED and not client.asked_to_end:
                self._say_why_killed(plan, claim.directory, began)
            if client.asked_to_end and status in NOT_THERE:  # whoever asked meant any shell
                status = 128 + client.asked_to_end
            return status
        finally:
            self._clean_up(claim, plan, clean=clean, late=late)

    def _target(self) -> Target | None:
        return self.request.joining.target if self.request.joining else None

    @contextlib.contextmanager
    def _input(self, plan: Plan, scratch: Path) -> Iterator[Streams]:
        """The client's streams; its stdin is ours, but for engines that mishear its end."""
        if plan.terminal or self.runtime.removes_what_ended:
            yield self.streams
            return
        stdin, stdout, stderr = self.streams or (0, 1, 2)
        relay = Relay(stdin, lambda: self.runtime.hears_end_of_input(scratch))
        yield relay.reader, stdout, stderr
        relay.start()

    def _runs(self, plan: Plan, scratch: Path) -> bool:
        """Whether there is a command that hears signals, and not only a client about to start it.

        A client that a signal ends before leaves half a container, and what forgets to end.
        """
        if not self.runtime.made(scratch):
            return False
        found = self.runtime.find(plan.name)
        return found is not None and found.state is State.RUNNING

    def _wait(self, client: foreground.Client, plan: Plan) -> tuple[int, bool]:
        """The status, and whether the container ended by itself."""
        limit = self.request.timeout
        status = client.wait(time.monotonic() + limit if limit else None, grace=GRACE)
        if client.output_lost:
            self.monitor.note(loss(client.output_lost, status))
            if status is None:
                self._end(client, plan, grace=HANGUP_GRACE)
            return Exit.OURS, False
        if status is None and client.told_to_end:
            self._end(client, plan, grace=0)
            return 128 + client.asked_to_end, False
        if status is None:
            self.monitor.note(f"ending the command: {limit:g} s are over")
            client.settle()
            self._end(client, plan, grace=GRACE)
            return TIMED_OUT, False
        if status < 0:  # the client itself was ended by a signal
            return 128 - status, False
        if client.asked_to_end and self.request.terminal:
            return status, False
        return status, status != Exit.OURS

    def _end(self, client: foreground.Client, plan: Plan, *, grace: float) -> None:
        limit = Deadline.after(grace + CLEAN_UP)
        with interrupt.held(), foreground.unblocked(), contextlib.suppress(HatchwayError):
            self.runtime.within(limit).remove(plan.name, grace=grace)
        client.end(grace=HANGUP_GRACE)

    def _clean_up(self, claim: Claim, plan: Plan, *, clean: bool, late: bool) -> None:
        """An engine that removes what has ended need not be asked whether it did.

        One that hangs is not waited for: the container's processes are ended without it, and the
        rest is left to the next launcher.
        """
        if clean and self.runtime.removes_what_ended:
            return
        with interrupt.held():
            runtime = self.runtime.within(Deadline.after(CLEAN_UP))
            try:
                runtime.remove(plan.name, grace=HANGUP_GRACE, late=late)
            except RuntimeUnavailableError as error:
                left = cgroups.end(runtime.id_of(plan.name, claim.directory), END_LIMIT)
                claim.keep()
                what = "processes that do not end" if left else "no process any more"
                name = self.choice.again.name
                self.monitor.note(f"{name} still has {plan.name}, with {what}: {error.message}")

    def _say_why_killed(self, plan: Plan, scratch: Path, began: float) -> None:
        """A limit that nobody tells of looks like somebody's `kill`."""
        container = self.runtime.id_of(plan.name, scratch)
        why = memory_limit.reason(container, began, memory=plan.limits.memory)
        if why:
            self.monitor.note(why)

    def _record(self, claim: Claim, plan: Plan) -> Record:
        again = self.choice.again
        return Record(
            id=claim.id,
            container=plan.name,
            runtime=again.name,
            socket=again.socket,
            namespace=again.namespace,
            image=self.request.image,
            profile=self.request.profile,
            command=plan.command,
            began=time.time(),
            pid=os.getpid(),
        )
