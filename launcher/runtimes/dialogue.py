# SPDX-License-Identifier: Apache-2.0
"""How an engine with docker's command line is spoken to: its client, and python-on-whales.

The library is loaded at first use (150 ms), runs its clients without any time limit, and puts the
command line into its exceptions: `bounded` limits the time and keeps only what the engine said.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
from typing import TYPE_CHECKING, Any, Final

from launcher import bounds, process
from launcher.deadline import NEVER, Deadline
from launcher.errors import ContainerError, HostError
from launcher.runtimes import complaints

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from launcher.runtimes.complaints import Kind

ASK_LIMIT: Final = 30.0  # seconds for a question to the engine
START_LIMIT: Final = 60.0
_REFUSED: Final = (ContainerError, "runtime.failed")


@dataclasses.dataclass(frozen=True)
class Dialogue:
    """One engine by its client; `options` go between that and its subcommand."""

    name: str
    program: str
    options: tuple[str, ...]
    deadline: Deadline = NEVER

    @functools.cached_property
    def library(self) -> Any:
        """What python-on-whales has for this engine; to be used while `bounded`."""
        from python_on_whales import DockerClient

        kind: Any = self.name
        return DockerClient(client_call=[self.program, *self.options], client_type=kind)

    def argv(self, *argv: str) -> tuple[str, ...]:
        return (self.program, *self.options, *argv)

    def ask(
        self, what: str, *argv: str, stdin: bytes | None = None, more: float = 0,
        directory: Path | None = None,
    ) -> str:  # fmt: skip
        """What the client printed; `what` says in an error what it was asked to do."""
        done = self._run(what, *argv, limit=START_LIMIT + more, stdin=stdin, directory=directory)
        if done.status:
            raise complaints.explain(self.name, what, _said(done), *_REFUSED)
        return done.text()

    def feed(
        self, what: str, *argv: str, chunks: Iterable[bytes], limit: float, kind: Kind, code: str
    ) -> None:
        """Hand over what is too much to be held; the client may end before it has all."""
        done = self._run(what, *argv, limit=limit, stdin=chunks)
        if done.status:
            raise complaints.explain(self.name, what, _said(done), kind, code)

    def inspect(self, kind: str, name: str) -> dict[str, Any] | None:
        """What the engine knows of an `image` or `container`, or None."""
        what = f"look up the {kind}"
        done = self._run(what, kind, "inspect", name, limit=ASK_LIMIT)
        if done.status and complaints.is_absence(_said(done)):
            return None
        problem = self.name, what
        if done.status:
            raise complaints.explain(*problem, _said(done), *_REFUSED)
        try:
            (facts,) = json.loads(done.stdout) or ({},)
        except ValueError as error:
            raise complaints.nonsense(*problem, error, *_REFUSED) from None
        return facts or None  # nerdctl gives an empty list

    @contextlib.contextmanager
    def bounded(self, what: str, limit: float) -> Iterator[None]:
        """Limit what the library does within to `limit` seconds, and make its errors ours."""
        from python_on_whales.exceptions import DockerException

        problem = self.name, what
        if self.deadline.passed:
            raise complaints.too_late(*problem)
        try:
            with (
                bounds.environment(),
                bounds.deadline(self.deadline.left(limit), f"{self.name}, asked to {what},"),
            ):
                yield
        except HostError as error:
            raise complaints.late(*problem, error) from None
        except DockerException as error:
            said = (error.stderr or "").strip()
            raise complaints.explain(*problem, said, *_REFUSED) from None
        except ValueError as error:
            raise complaints.nonsense(*problem, error, *_REFUSED) from None

    def _run(
        self, what: str, *argv: str, limit: float, stdin: bytes | Iterable[bytes] | None = None,
        directory: Path | None = None,
    ) -> process.Completed:  # fmt: skip
        if self.deadline.passed:
            raise complaints.too_late(self.name, what)
        limit = self.deadline.left(limit)
        try:
            return process.run(
                self.argv(*argv), timeout=limit, check=False, stdin=stdin, directory=directory
            )
        except HostError as error:
            raise complaints.late(self.name, what, error) from None


def _said(done: process.Completed) -> str:
    return done.stderr.decode("utf-8", "replace").strip()
