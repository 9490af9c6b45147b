# SPDX-License-Identifier: Apache-2.0
"""`ctr`, containerd's own client: each question costs a process."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from launcher import process
from launcher.deadline import NEVER, Deadline
from launcher.errors import ContainerError, HostError, ImageError, RuntimeUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable

ASK_LIMIT: Final = 30.0  # seconds

_DOWN_WORDS: Final = ("connection refused", "no such file or directory: dial", "failed to dial",
                      "context deadline exceeded")  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Ctr:
    """The client of the containerd at `socket`, in one of its namespaces."""

    program: str
    socket: str
    namespace: str
    deadline: Deadline = NEVER

    def argv(self, *argv: str) -> tuple[str, ...]:
        return (self.program, "--address", self.socket, "--namespace", self.namespace, *argv)

    def __call__(
        self,
        *argv: str,
        stdin: Iterable[bytes] | None = None,
        limit: float = ASK_LIMIT,
        kind: type[ContainerError | ImageError] = ContainerError,
        check: bool = True,
    ) -> process.Completed:
        """Run it for `limit` seconds at the most; what it refuses is a `kind`, unless unchecked."""
        if self.deadline.passed:
            raise self._late(argv[:2])
        limit = self.deadline.left(limit)
        try:
            done = process.run(self.argv(*argv), timeout=limit, stdin=stdin, check=False)
        except HostError as error:
            if error.code != "host.timeout":
                raise
            raise self._late(argv[:2]) from None
        if check and done.status != 0:
            raise self._explain(argv[:2], done.complaint(), kind)
        return done

    def _late(self, verb: tuple[str, ...]) -> Exception:
        message = f"containerd, asked to {' '.join(verb)}, did not answer in time"
        hint = f"Look whether it works at all: {' '.join(self.argv('version'))}"
        return RuntimeUnavailableError("runtime.timeout", message, hint)

    def _explain(
        self, verb: tuple[str, ...], said: str, kind: type[ContainerError | ImageError]
    ) -> Exception:
        said = said.removeprefix("ctr: ")
        if any(words in said.lower() for words in _DOWN_WORDS):
            hint = f"Look at the unit of containerd: it should listen at {self.socket}."
            message = f"containerd does not answer: {said}"
            return RuntimeUnavailableError("runtime.down", message, hint)
        if "no space left on device" in said:
            hint = "Free space on the file system that holds containerd's root."
            return HostError("host.disk-full", f"no space left: {said}", hint)
        code = "image.archive" if kind is ImageError else "runtime.failed"
        return kind(code, f"containerd could not {' '.join(verb)}: {said}")
