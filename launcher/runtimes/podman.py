# SPDX-License-Identifier: Apache-2.0
"""podman: no daemon stands behind its client, so what kills the client leaves half of its work."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from launcher import files
from launcher.runtimes import conmon
from launcher.runtimes.whales import Whales

if TYPE_CHECKING:
    from launcher.runtimes.base import Container

_RUN: Final = Path("/run/hatchway/podman")


@dataclasses.dataclass(frozen=True)
class Podman(Whales):
    """As the others, but for what it says and what it leaves."""

    # What a killed one left under the name is in nobody's way.
    start_options: ClassVar[tuple[str, ...]] = ("--replace",)
    storage_form: ClassVar[str] = "{{.Store.GraphRoot}}"

    def _directory(self, name: str) -> Path:
        """One of its own: conmon(8) leaves a file `oom` where it began when memory runs out."""
        files.own_directory(_RUN.parent)
        files.own_directory(_RUN)
        return files.own_directory(_RUN / name)

    def entry_problem(self, name: str, program: str) -> int:
        del name, program  # its `exec` has the statuses that we have
        return 0

    def remove(self, name: str, *, grace: float, late: bool = False) -> bool:
        there = super().remove(name, grace=grace, late=late)
        if not there:
            # Killed between its storage's note of a container and its own: it knows no such
            # container, yet lets no other take the name.
            self._engine.ask("remove the container", "rm", "--force", "--ignore", name)
        conmon.end(name, self._oci_runtime, self.deadline)
        shutil.rmtree(_RUN / name, ignore_errors=True)
        return there

    def _oci_runtime(self) -> str:
        form = "{{.Host.OCIRuntime.Path}}"
        return self._engine.ask("name its OCI runtime", "info", "--format", form).strip()

    def _find_late(self, name: str) -> Container | None:
        return self.find(name)  # nobody goes on with what the client began
