# SPDX-License-Identifier: Apache-2.0
"""What a container runtime must do for us, and nothing more."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from launcher.plan import Plan


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """An image that the runtime holds.

    `name` is the name by which this runtime finds it; `config_digest` (`sha256:<64 hex>`) is its
    identity, the same in every runtime; `manifest_digest` is known where it came from a registry.
    """

    name: str
    config_digest: str
    manifest_digest: str = ""
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)


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


class Runtime(Protocol):
    """One container engine, reached through its own command-line client.

    Every method is bounded in time, and raises `RuntimeUnavailableError` when the engine does
    not answer, `ContainerError` or `ImageError` when it refuses.
    """

    @property
    def name(self) -> str:
        """The name in the table of runtimes."""

    def describe(self) -> str:
        """One phrase that says which engine this is and where."""

    def find_image(self, name: str) -> Image | None:
        """The image by its name or config digest, if this engine holds it."""

    def load_image(self, archive: Iterable[bytes], *, timeout: float) -> None:
        """Take in an image archive (`launcher.archive` writes what every engine understands)."""

    def remove_image(self, name: str) -> None:
        """Forget an image; none is no error."""

    def start(self, plan: Plan) -> Container:
        """Create and start the container, detached."""

    def foreground(
        self, plan: Plan, *, interactive: bool, environment_file: str
    ) -> tuple[str, ...]:
        """Prepare the container, and give the client's argv that runs it in the foreground.

        Whoever runs it hands over its own streams and terminal; `interactive` says whether stdin
        is among them. `environment_file` is a path at which the client will find what
        `environment_file_for(plan)` gives. The container is removed when it ends, but for what
        `remove` is to be called for; it is the client's status that counts.
        """

    def environment_file_for(self, plan: Plan) -> bytes:
        """What the client is to find at `environment_file`; empty when it needs none."""

    def find(self, name: str) -> Container | None:
        """The container of that name, in whatever state."""

    def remove(self, name: str, *, grace: float) -> None:
        """Stop (SIGTERM, `grace` seconds, SIGKILL) and remove all of it; none is no error."""
