# SPDX-License-Identifier: Apache-2.0
"""containerd through its own `ctr`, which every host with containerd has.

`ctr run`'s flags differ from version to version and reach neither pids limit nor OOM score, so the
container gets a complete OCI configuration, and its root is a snapshot that we mount ourselves.
Works with ctr 1.4 and later.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from launcher import files
from launcher.errors import ContainerError, Exit, ImageError, UsageError
from launcher.runtimes import accounts, lookup, oci, orphans, snapshots, user_namespace
from launcher.runtimes.base import State
from launcher.runtimes.contents import Contents
from launcher.runtimes.lsm import NONE, Lsm
from launcher.runtimes.snapshots import Snapshots
from launcher.runtimes.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from launcher.deadline import Deadline
    from launcher.plan import Plan
    from launcher.runtimes.base import Container, Entry, Image
    from launcher.runtimes.ctr import Ctr

START_LIMIT: Final = 60.0


@dataclasses.dataclass(frozen=True)
class Containerd:
    """One containerd, by its client."""

    ctr: Ctr
    name: str = "containerd"
    lsm: Lsm = NONE
    removes_what_ended: bool = False
    forwards_to_entries: bool = True

    def within(self, deadline: Deadline) -> Self:
        return dataclasses.replace(self, ctr=dataclasses.replace(self.ctr, deadline=deadline))

    def describe(self) -> str:
        return f"containerd at {self.ctr.socket}, namespace {self.ctr.namespace}"

    def cautions(self) -> tuple[str, ...]:
        return ()  # a shim holds each container, and outlives the daemon

    @functools.cached_property
    def _contents(self) -> Contents:
        return Contents(self.ctr)

    @functools.cached_property
    def _snapshots(self) -> Snapshots:
        return Snapshots(self.ctr)

    @functools.cached_property
    def _tasks(self) -> Tasks:
        return Tasks(self.ctr)

    def find_image(self, name: str) -> Image | None:
        return self._contents.find(name)

    def load_image(self, archive: Iterable[bytes], *, timeout: float) -> None:
        self.ctr("images", "import", "-", stdin=archive, limit=timeout, kind=ImageError)

    def storage(self) -> Path:
        return self._snapshots.storage()

    def remove_image(self, name: str) -> None:
        with contextlib.suppress(ContainerError):
            self.ctr("images", "rm", name)

    def start(self, plan: Plan, *, keep: bool = False) -> Container:
        del keep  # nothing here is ever removed but by `remove`
        settings = self._prepare(plan)
        self.ctr(
            "run", "--detach", "--null-io", *_labels(plan), "--config", settings, plan.name,
            limit=START_LIMIT,
        )  # fmt: skip
        found = self.find(plan.name)
        if found is None or found.state != State.RUNNING:
            raise ContainerError("container.died", "the container ended at once")
        return user_namespace.checked(found, self)

    def foreground(self, plan: Plan, *, interactive: bool, scratch: Path) -> tuple[str, ...]:
        del interactive  # ctr hands on whatever stdin it has
        settings = self._prepare(plan)
        options = ("--tty",) if plan.terminal else ()
        return self.ctr.argv(
            "run", "--rm", "--pid-file", str(scratch / "pid"), *options, *_labels(plan),
            "--config", settings, plan.name,
        )  # fmt: skip

    def made(self, scratch: Path) -> bool:
        return (scratch / "pid").exists()

    def id_of(self, name: str, scratch: Path) -> str:
        del scratch
        return name

    def hears_end_of_input(self, scratch: Path, *, entered: str = "") -> bool:
        """An end that comes before ctr knows its task is lost, and the command waits for ever."""
        if entered:
            return scratch.name in self.ctr("tasks", "ps", entered, check=False).text()
        return self.made(scratch)

    def verdict(self, plan: Plan, status: int, scratch: Path) -> int:
        """Tell ctr's own failure from the command's: only what was created has left its pid."""
        if status == 0 or (scratch / "pid").exists():
            return status
        process = json.loads(_settings(plan.name).read_bytes())["process"]
        search = next((p[5:] for p in process["env"] if p.startswith("PATH=")), oci.DEFAULT_PATH)
        return lookup.blame(snapshots.root(plan.name), process["args"][0], search)

    def enter(self, name: str, entry: Entry, *, scratch: Path) -> tuple[str, ...]:
        if entry.environment:
            message = "containerd sets no environment for one more command in a container"
            hint = "Set it when the toolbox is made, or use another engine (--runtime)."
            raise UsageError("usage.invalid", message, hint)
        options = ["--exec-id", scratch.name]
        options += ["--tty"] if entry.terminal else []
        options += ["--user", entry.user] if entry.user else []
        options += ["--cwd", entry.workdir] if entry.workdir else []
        return self.ctr.argv("tasks", "exec", *options, name, *entry.command)

    def entry_problem(self, name: str, program: str) -> int:
        """Whatever fails, ctr ends with 1."""
        described = json.loads(self.ctr("containers", "info", name).stdout)
        environment = described["Spec"]["process"]["env"]
        search = next((p[5:] for p in environment if p.startswith("PATH=")), oci.DEFAULT_PATH)
        found = lookup.blame(snapshots.root(name), program, search)
        return 0 if found == Exit.OURS else found

    def end_entry(self, name: str, scratch: Path) -> None:
        self.ctr("tasks", "rm", "--force", "--exec-id", scratch.name, name, check=False)

    def resume(self, name: str) -> None:
        if self._tasks.runs(name):
            return
        self.ctr("tasks", "rm", "--force", name, check=False)
        self._snapshots.mount(name)
        self.ctr("tasks", "start", "--detach", "--null-io", name, limit=START_LIMIT)

    def stop(self, name: str, *, grace: float) -> None:
        self._tasks.end(name, grace)
        self.ctr("tasks", "rm", "--force", name, check=False)
        snapshots.unmount(name)

    def names(self, prefix: str) -> list[str]:
        found = {*self.ctr("containers", "ls", "-q").text().split(), *self._snapshots.names()}
        return sorted(name for name in found if name.startswith(prefix))

    def _prepare(self, plan: Plan) -> str:
        """The container's root and its configuration; the path of the latter."""
        config = self._contents.read(plan.image.config_digest)
        rootfs = self._snapshots.make(plan.name, config["rootfs"]["diff_ids"])
        settings = _settings(plan.name)
        image = config.get("config", {})
        account = oci.ROOT
        if user := plan.user or image.get("User"):
            account = accounts.resolve(user, rootfs)
        specification = oci.configuration(plan, image, str(rootfs), account, self.lsm)
        self._add_name_service(specification)
        files.write(settings, json.dumps(specification).encode())
        return str(settings)

    def _add_name_service(self, specification: dict[str, Any]) -> None:
        """The host's resolver in a container on the host's network, as other engines give it."""
        if any(mount["destination"] == "/etc" for mount in specification["mounts"]):
            return  # it is there, and a mount on top might show on the host
        for place in ("/etc/resolv.conf", "/etc/hosts"):
            real = Path(place).resolve()
            if real.is_file():
                bind = {"destination": place, "type": "bind", "source": str(real),
                        "options": ["bind", "ro"]}  # fmt: skip
                specification["mounts"].append(bind)

    def find(self, name: str) -> Container | None:
        return self._tasks.find(name)

    def remove(self, name: str, *, grace: float, late: bool = False) -> bool:
        del late  # nobody goes on with what a client began
        orphans.wait(self.ctr.program, name, self.ctr.deadline)
        there = self._tasks.known(name)
        if there:
            self._tasks.end(name, grace)
            self.ctr("tasks", "rm", "--force", name, check=False)
            self.ctr("containers", "rm", name, check=False)
        remains = self._snapshots.remove(name)
        _settings(name).unlink(missing_ok=True)
        if there and self._tasks.known(name):
            message = f"containerd does not remove the container {name}"
            hint = "A process of it may hang in the kernel."
            raise ContainerError("container.stuck", message, hint)
        return there or remains


def _labels(plan: Plan) -> list[str]:
    return [f"--label={name}={value}" for name, value in plan.labels.items()]


def _settings(name: str) -> Path:
    """Where the OCI configuration of that container is."""
    return snapshots.RUN / f"{name}.json"
