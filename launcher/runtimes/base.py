# SPDX-License-Identifier: Apache-2.0
"""What a container runtime must do for us, and nothing more."""

from __future__ import annotations

import dataclasses
import enum
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from launcher.deadline import Deadline
    from launcher.plan import Plan

# Below it every engine has its storage unless it is told otherwise.
USUAL_STORAGE: Final = Path("/var/lib")


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """An image that the runtime holds.

    `name` is the name by which this runtime finds it; `config_digest` (`sha256:<64 hex>`) is its
    identity, the same in every runtime; `manifest_digest` is known where it came from a registry.
    `id` is what this runtime itself calls it, where that is another digest: docker has one of a
    manifest or an index in containerd's image store. Of an image that only docker knows, that is
    the `config_digest` as well.
    """

    name: str
    config_digest: str
    manifest_digest: str = ""
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    id: str = ""

    @property
    def runs_as(self) -> str:
        return self.id or self.config_digest

    def identified(self, config_digest: str, manifest_digest: str) -> Image:
        """The same by its own digests, as the registry or archive it came from has them."""
        own = self.runs_as
        return dataclasses.replace(
            self,
            config_digest=config_digest,
            manifest_digest=manifest_digest,
            id="" if own == config_digest else own,
        )


class State(enum.StrEnum):
    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


@dataclasses.dataclass(frozen=True, slots=True)
class Container:
    """A container that the runtime knows; `pid` is 0 unless it runs."""

    name: str
    id: str
    state: State
    pid: int = 0
    exit_status: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A command for a container that runs already; empty strings mean the container's own."""

    command: tuple[str, ...]
    user: str = ""
    workdir: str = ""
    terminal: bool = False
    interactive: bool = True
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Runtime(Protocol):
    """One container engine, reached through its own command-line client.

    Every method is bounded in time, and raises `RuntimeUnavailableError` when the engine does
    not answer, `ContainerError` or `ImageError` when it refuses.
    """

    @property
    def name(self) -> str:
        """The name in the table of runtimes."""

    def within(self, deadline: Deadline) -> Runtime:
        """The same engine, of which nothing is asked that would last longer."""

    def describe(self) -> str:
        """One phrase that says which engine this is and where."""

    def cautions(self) -> tuple[str, ...]:
        """What whoever enters a container of this engine should know beforehand."""

    def find_image(self, name: str) -> Image | None:
        """The image by its name or config digest, if this engine holds it."""

    def load_image(self, archive: Iterable[bytes], *, timeout: float) -> None:
        """Take in an image archive (`launcher.archive` writes what every engine understands)."""

    def storage(self) -> Path:
        """Where this engine keeps what it unpacks, or a directory that is likely on that disk."""

    def remove_image(self, name: str) -> None:
        """Forget an image; none is no error."""

    def start(self, plan: Plan, *, keep: bool = False) -> Container:
        """Create and start the container, detached; `keep` lets it outlive its own end."""

    def foreground(self, plan: Plan, *, interactive: bool, scratch: Path) -> tuple[str, ...]:
        """Prepare the container, and give the client's argv that runs it in the foreground.

        Whoever runs it hands over its own streams and terminal; `interactive` says whether stdin
        is among them. Files for the client go into `scratch`, which is to stay until it ends.
        """

    def made(self, scratch: Path) -> bool:
        """Whether the client of `foreground` has had its container made."""

    def id_of(self, name: str, scratch: Path) -> str:
        """The id of the container that the client of `foreground` has had made, or nothing."""

    def hears_end_of_input(self, scratch: Path, *, entered: str = "") -> bool:
        """Whether the client would notice by now that its stdin has ended.

        The client is the one of `foreground`, or of `enter` into the container `entered`.
        """

    @property
    def removes_what_ended(self) -> bool:
        """Whether the foreground client leaves nothing of a container that ended by itself."""

    @property
    def forwards_to_entries(self) -> bool:
        """Whether a signal to the client of `enter` reaches the command."""

    def verdict(self, plan: Plan, status: int, scratch: Path) -> int:
        """What the end of that client means: the command's own status, or 125, 126, 127."""

    def enter(self, name: str, entry: Entry, *, scratch: Path) -> tuple[str, ...]:
        """Give the client's argv that runs one more command in a running container."""

    def entry_problem(self, name: str, program: str) -> int:
        """127 or 126 where the client could not tell that the container cannot run `program`."""

    def end_entry(self, name: str, scratch: Path) -> None:
        """End what is left of the command that was entered with `scratch`; none is no error."""

    def resume(self, name: str) -> None:
        """Start a container that was kept and has stopped; one that runs is no error."""

    def stop(self, name: str, *, grace: float) -> None:
        """End all processes of a container and keep the rest of it."""

    def names(self, prefix: str) -> list[str]:
        """All that this engine holds, in whatever state, under names that begin so."""

    def find(self, name: str) -> Container | None:
        """The container of that name, in whatever state."""

    def remove(self, name: str, *, grace: float, late: bool = False) -> bool:
        """Stop (SIGTERM, `grace` seconds, SIGKILL) and remove all of it; whether there was one.

        `late`: a client was cut off as it started it, and the engine may be about to make it.
        """
