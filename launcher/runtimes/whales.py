# SPDX-License-Identifier: Apache-2.0
"""Engines with docker's command line: docker, nerdctl and, but for `podman.py`, podman.

Through python-on-whales, except that questions go straight to the client: the library takes long
to load.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from launcher import files, interrupt, proc
from launcher.deadline import NEVER, Deadline
from launcher.errors import ContainerError, Exit, HatchwayError, ImageError
from launcher.runtimes import client, lookup, oci, orphans, user_namespace
from launcher.runtimes.base import USUAL_STORAGE, Container, Image, State
from launcher.runtimes.dialogue import Dialogue
from launcher.runtimes.lsm import NONE, Lsm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from launcher.plan import Plan
    from launcher.runtimes.base import Entry

REMOVE_LIMIT: Final = 30.0  # on top of the grace
LATE_LIMIT: Final = 5.0  # to make a container without starting it
END_GRACE: Final = 0.5
SESSION: Final = "HATCHWAY_SESSION"

_STATES: Final = {
    "created": State.CREATED,
    "configured": State.CREATED,
    "initialized": State.CREATED,
    "running": State.RUNNING,
    "stopping": State.RUNNING,
    "paused": State.PAUSED,
    "restarting": State.RUNNING,
}


@dataclasses.dataclass(frozen=True)
class Whales:
    """One docker-like engine. `options` go between the client's name and its subcommand."""

    name: str
    program: str
    options: tuple[str, ...] = ()
    deadline: Deadline = NEVER
    lsm: Lsm = NONE
    start_options: ClassVar[tuple[str, ...]] = ()
    storage_form: ClassVar[str] = "{{.DockerRootDir}}"
    removes_what_ended: bool = True
    forwards_to_entries: bool = False

    def within(self, deadline: Deadline) -> Self:
        return dataclasses.replace(self, deadline=deadline)

    def describe(self) -> str:
        return " ".join((self.name, *self.options))

    def cautions(self) -> tuple[str, ...]:
        return ()

    @functools.cached_property
    def _engine(self) -> Dialogue:
        return Dialogue(self.name, self.program, self.options, self.deadline)

    def find_image(self, name: str) -> Image | None:
        facts = self._engine.inspect("image", name)
        if facts is None:
            return None
        own = str(facts["Id"])
        digest = own if own.startswith("sha256:") else f"sha256:{own}"
        repository = name.partition("@")[0].rpartition(":")[0]
        known = facts.get("RepoDigests") or ()
        pinned = [d for d in known if d.partition("@")[0] == repository]
        labels = (facts.get("Config") or {}).get("Labels")
        manifest = pinned[0].partition("@")[2] if pinned else ""
        return Image(name, digest, manifest, dict(labels or {}))

    def load_image(self, archive: Iterable[bytes], *, timeout: float) -> None:
        # Not by the library, which knows nothing of a client that ends while it is written to.
        self._engine.feed(
            "load the image", "image", "load", "--quiet",
            chunks=archive, limit=timeout, kind=ImageError, code="image.archive",
        )  # fmt: skip

    def storage(self) -> Path:
        said = self._engine.ask("name its storage", "info", "--format", self.storage_form).strip()
        return Path(said) if said.startswith("/") else USUAL_STORAGE

    def remove_image(self, name: str) -> None:
        from python_on_whales.exceptions import NoSuchImage

        with (
            self._engine.bounded("remove the image", REMOVE_LIMIT),
            contextlib.suppress(NoSuchImage),
        ):
            self._engine.library.image.remove(name)

    def start(self, plan: Plan, *, keep: bool = False) -> Container:
        # `--rm`: gone by itself when the door closes itself.
        removed = () if keep else ("--rm",)
        text = client.environment_text(plan.environment)
        try:
            with _scratch(plan) as scratch:
                options = client.run_arguments(
                    plan, engine=self.name, environment_file="/dev/stdin", scratch=scratch,
                    lsm=self.lsm,
                )  # fmt: skip
                self._engine.ask(
                    "start the container", "run", "--detach", *removed, *self.start_options,
                    *options, stdin=text, directory=self._directory(plan.name),
                )  # fmt: skip
        except interrupt.Interrupted:
            with interrupt.held(), contextlib.suppress(HatchwayError):
                # So that whoever removes it finds it.
                late = self.within(Deadline.after(LATE_LIMIT))
                late._find_late(plan.name)  # noqa: SLF001 - it is this very one
            raise
        started = self.find(plan.name)
        if started is None:  # it removed itself
            message = f"{self.name} started the container, but it ended at once"
            raise ContainerError("container.died", message)
        return user_namespace.checked(started, self)

    def _directory(self, name: str) -> Path | None:
        """Where the client of a container begins, if not where we are."""
        del name
        return None

    def foreground(self, plan: Plan, *, interactive: bool, scratch: Path) -> tuple[str, ...]:
        place = self._environment(plan.environment, scratch)
        stdin = ("--interactive",) if interactive else ()
        options = client.run_arguments(
            plan, engine=self.name, environment_file=place, scratch=scratch, lsm=self.lsm
        )
        made = scratch / "cid"
        made.unlink(missing_ok=True)  # of an earlier attempt: the clients refuse one that exists
        return self._engine.argv("run", "--rm", f"--cidfile={made}", *stdin, *options)

    def made(self, scratch: Path) -> bool:
        return (scratch / "cid").exists()

    def id_of(self, name: str, scratch: Path) -> str:
        del name
        with contextlib.suppress(OSError):
            return (scratch / "cid").read_text(encoding="ascii").strip()
        return ""

    def hears_end_of_input(self, scratch: Path, *, entered: str = "") -> bool:
        del scratch, entered
        return True

    def verdict(self, plan: Plan, status: int, scratch: Path) -> int:
        del plan, scratch  # these clients have the statuses that we have
        return status

    def enter(self, name: str, entry: Entry, *, scratch: Path) -> tuple[str, ...]:
        marked = {**entry.environment, SESSION: scratch.name}
        place = self._environment(marked, scratch)
        options = client.exec_options(entry, environment_file=place)
        return self._engine.argv("exec", *options, name, *entry.command)

    def entry_problem(self, name: str, program: str) -> int:
        form = "{{.State.Pid}} {{json .Config.Env}}"
        said = self._engine.ask("look up the container", "inspect", "--format", form, name)
        pid, _, environment = said.partition(" ")
        variables = dict(pair.partition("=")[::2] for pair in json.loads(environment) or ())
        search = variables.get("PATH", oci.DEFAULT_PATH)
        found = lookup.blame(Path(f"/proc/{int(pid)}/root"), program, search)
        return 0 if found == Exit.OURS else found

    def end_entry(self, name: str, scratch: Path) -> None:
        """Clients of `exec` hand on no signal: its processes are known by their environment."""
        del name
        mark = f"{SESSION}={scratch.name}".encode()
        if proc.end_marked(mark, signal.SIGTERM):
            time.sleep(END_GRACE)
            proc.end_marked(mark, signal.SIGKILL)

    def resume(self, name: str) -> None:
        self._engine.ask("start the container", "start", name, directory=self._directory(name))

    def stop(self, name: str, *, grace: float) -> None:
        self._engine.ask("stop the container", "stop", f"--time={grace:.0f}", name, more=grace)

    def names(self, prefix: str) -> list[str]:
        form = ("--format", "{{.Names}}")
        said = self._engine.ask(
            "list containers", "ps", "--all", "--filter", f"name={prefix}", *form
        )
        return [name for name in said.split() if name.startswith(prefix)]

    def _environment(self, environment: Mapping[str, str], scratch: Path) -> str:
        place = scratch / "environment"
        files.write(place, client.environment_text(environment))
        return str(place)

    def find(self, name: str) -> Container | None:
        facts = self._engine.inspect("container", name)
        return None if facts is None else _container(name, facts)

    def remove(self, name: str, *, grace: float, late: bool = False) -> bool:
        orphans.wait(self.program, name, self.deadline)
        found = self._find_late(name) if late else self.find(name)
        if found is None:
            return False
        if found.state in (State.RUNNING, State.PAUSED):
            # Not by the library, which loses the time: docker then takes its own ten seconds.
            with contextlib.suppress(ContainerError):  # what it does not stop, `rm` kills
                self.stop(name, grace=max(1, int(grace)))
        self._tolerant("remove", name, grace, lambda c: c.remove(name, force=True, volumes=True))
        self._await_gone(name)
        return True

    def _find_late(self, name: str) -> Container | None:
        """A daemon goes on with what its client asked for."""
        until = self.deadline.within(LATE_LIMIT)
        while (found := self.find(name)) is None and not until.passed:
            time.sleep(0.1)
        return found

    def _await_gone(self, name: str) -> None:
        """A container that removes itself may still be at it when `rm` returns."""
        until = self.deadline.within(REMOVE_LIMIT)
        while self.find(name) is not None:
            if until.passed:
                message = f"{self.name} does not remove the container {name}"
                hint = (
                    f"Look at `{self.name} inspect {name}`; a process of it may hang in the kernel."
                )
                raise ContainerError("container.stuck", message, hint)
            time.sleep(0.1)

    def _tolerant(self, what: str, name: str, grace: float, act: Any) -> None:
        """Do what another launcher or the engine itself may do at the same moment."""
        from python_on_whales.exceptions import DockerException, NoSuchContainer

        with self._engine.bounded(f"{what} the container", grace + REMOVE_LIMIT):
            try:
                act(self._engine.library.container)
            except NoSuchContainer:
                return
            except DockerException as error:
                if "already in progress" not in str(error.stderr) and self.find(name) is not None:
                    raise


@contextlib.contextmanager
def _scratch(plan: Plan) -> Iterator[Path | None]:
    """A place for the filter of a plan that has its own; clients read it as they make it."""
    if not plan.looks_only:
        yield None
        return
    import tempfile  # loads random and hashlib, which a mere look at the door does not need

    with tempfile.TemporaryDirectory(prefix="hatchway-") as place:
        yield Path(place)


def _container(name: str, facts: dict[str, Any]) -> Container:
    state = facts.get("State") or {}
    kind = _STATES.get(str(state.get("Status") or "").lower(), State.STOPPED)
    pid = int(state.get("Pid") or 0) if kind != State.STOPPED else 0
    return Container(name, str(facts["Id"]), kind, pid, int(state.get("ExitCode") or 0))
