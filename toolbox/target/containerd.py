# SPDX-License-Identifier: Apache-2.0
"""containerd's containers, asked of it in a few questions however many it has.

`ctr` has no call that tells all about all: what is wanted is filtered by containerd itself, and
only what then is left is asked for one by one. Works with ctr 1.4 and later.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

from launcher import process
from launcher.errors import HostError, RuntimeUnavailableError
from launcher.runtimes.base import State
from toolbox.target.found import SHOWN, Candidate

if TYPE_CHECKING:
    from collections.abc import Iterable

ASK_LIMIT: Final = 30.0
# Labels that containerd's CRI plugin and nerdctl leave.
POD: Final = "io.kubernetes.pod.name"
POD_NAMESPACE: Final = "io.kubernetes.pod.namespace"
CONTAINER: Final = "io.kubernetes.container.name"
KIND: Final = "io.cri-containerd.kind"
NERDCTL_NAME: Final = "nerdctl/name"

_STATES: Final = {
    "CREATED": State.CREATED, "RUNNING": State.RUNNING, "PAUSED": State.PAUSED,
    "PAUSING": State.PAUSED,
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Containerd:
    """One containerd, reached by `ctr` at its socket."""

    program: str
    socket: str

    def find(self, namespace: str, *filters: str) -> list[Candidate]:
        """Containers that any of the filters fits; names are looked up for a few of them."""
        ids = self.ids(namespace, *filters)
        if not ids:
            return []
        tasks = self._tasks(namespace)
        # What has ended comes last, so that the few that get a name are those that run.
        ids.sort(key=lambda one: one not in tasks)
        return [
            self._candidate(namespace, one, tasks.get(one), named=place < SHOWN)
            for place, one in enumerate(ids)
        ]

    def ids(self, namespace: str, *filters: str) -> list[str]:
        return self._ctr(namespace, "containers", "ls", "-q", *filters).split()

    def namespaces(self) -> list[str]:
        return self._ctr("default", "namespaces", "ls", "-q").split()

    def labels(self, namespace: str, one: str) -> dict[str, str]:
        """The labels of a container, or none when it is gone by now."""
        text = self._ctr(namespace, "containers", "info", one, check=False)
        try:
            found: Any = json.loads(text)
        except ValueError:
            return {}
        labels = found.get("Labels") if isinstance(found, dict) else None
        return labels if isinstance(labels, dict) else {}

    def _candidate(
        self, namespace: str, one: str, task: tuple[int, State] | None, *, named: bool
    ) -> Candidate:
        pid, state = task or (0, State.STOPPED)
        return Candidate(
            runtime="containerd",
            prefix=f"containerd://{namespace}/",
            id=one,
            name=name_of(self.labels(namespace, one)) if named else "",
            state=state,
            pid=pid,
        )

    def _tasks(self, namespace: str) -> dict[str, tuple[int, State]]:
        return parse_tasks(self._ctr(namespace, "tasks", "ls"))

    def _ctr(self, namespace: str, *argv: str, check: bool = True) -> str:
        whole = (self.program, "--address", self.socket, "--namespace", namespace, *argv)
        try:
            done = process.run(whole, timeout=ASK_LIMIT, check=False)
        except HostError as error:
            if error.code != "host.timeout":
                raise
            raise RuntimeUnavailableError("runtime.timeout", error.message) from None
        if done.status and check:
            said = done.complaint().removeprefix("ctr: ")
            message = f"containerd at {self.socket} could not {' '.join(argv[:2])}: {said}"
            raise RuntimeUnavailableError("runtime.failed", message)
        return done.text() if not done.status else ""


def parse_tasks(listing: str) -> dict[str, tuple[int, State]]:
    """Read `ctr tasks ls`: (pid, state) by id."""
    lines = (line.split() for line in listing.splitlines()[1:])
    return {
        words[0]: (int(words[1]), _STATES.get(words[2], State.STOPPED))
        for words in lines
        if len(words) > 2
    }


def name_of(labels: dict[str, str]) -> str:
    """`namespace/pod/container` of Kubernetes, nerdctl's name, or nothing."""
    if pod := labels.get(POD):
        container = labels.get(CONTAINER) or labels.get(KIND, "")
        return "/".join(filter(None, (labels.get(POD_NAMESPACE), pod, container)))
    return labels.get(NERDCTL_NAME, "")


def equals(label: str, value: str) -> str:
    """The filter for a label; https://github.com/containerd/containerd/blob/main/filters."""
    return f'labels."{label}"=="{value}"'


def matches(field: str, pattern: str) -> str:
    return f'{field}~="{pattern}"'


def beginning(word: str) -> str:
    """The pattern of what begins with `word`; names hold no other special character than a dot."""
    return f"^{word.replace('.', '[.]')}"


def almost(words: Iterable[str]) -> str:
    """The pattern of what is one slip of the finger away from one of `words`, or longer."""
    forms = set[str]()
    for word in words:
        parts = [letter.replace(".", "[.]") for letter in word]
        for place in range(len(parts) + 1):
            before, after = "".join(parts[:place]), "".join(parts[place + 1 :])
            forms.add(f"{before}.?{after}")  # another letter, or one too many
            forms.add(f"{before}.{''.join(parts[place:])}")  # one that is missing
            if place + 1 < len(parts):
                swapped = parts[place + 1] + parts[place]
                forms.add(f"{before}{swapped}{''.join(parts[place + 2 :])}")
        forms.add("".join(parts[: max(3, len(parts) * 2 // 3)]) + ".*")
    return f"^({'|'.join(sorted(forms))})$"
