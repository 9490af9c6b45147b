# SPDX-License-Identifier: Apache-2.0
"""Targets named by their pod, through the labels that containerd's CRI plugin leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolbox.target import containerd
from toolbox.target.found import Candidate, missing, pick
from toolbox.target.name import KUBERNETES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolbox.target.containerd import Containerd
    from toolbox.target.name import Name


def by_pod(name: Name, engines: Sequence[Containerd]) -> Candidate:
    """The one container that runs in the pod, or the one that is named."""
    found = [one for engine in engines for one in engine.find(KUBERNETES, _filter(name))]
    chosen = pick(name, found)
    if chosen is None:
        near = [one for engine in engines for one in _near(name, engine)]
        sockets = ", ".join(engine.socket for engine in engines)
        raise missing(name, near, f"(looked in {sockets})")
    return chosen


def _filter(name: Name) -> str:
    """One filter of several conditions: a comma means "and"."""
    wanted = {
        # The sandbox holds the namespaces, and no files worth looking at.
        containerd.KIND: "container",
        containerd.POD: name.name,
        containerd.POD_NAMESPACE: name.namespace,
        containerd.CONTAINER: name.container,
    }
    return ",".join(containerd.equals(label, value) for label, value in wanted.items() if value)


def _near(name: Name, engine: Containerd) -> list[str]:
    """Other containers of that pod, that pod in other namespaces, and pods of similar names."""
    kind = containerd.equals(containerd.KIND, "container")
    same = f"{kind},{containerd.equals(containerd.POD, name.name)}"
    pattern = containerd.almost([name.name])
    similar = containerd.matches(f'labels."{containerd.POD}"', pattern)
    ones = engine.find(KUBERNETES, same) or engine.find(KUBERNETES, f"{kind},{similar}")
    return list(dict.fromkeys(f"k8s://{one.name}" for one in ones if one.live and one.name))
