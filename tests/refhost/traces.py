# SPDX-License-Identifier: Apache-2.0
"""What a container may leave behind on a host, as sets that can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.refhost.machine import Machine

Traces = dict[str, frozenset[str]]

# Each lists one thing a line. Kernel threads (children of 2) come and go by themselves.
_LISTS: Final = {
    "processes": ("ps", "--no-headers", "--format", "args", "--deselect", "--ppid", "2"),
    "mounts": ("findmnt", "--raw", "--noheadings", "--output", "TARGET"),
    "listening sockets": (
        *("ss", "--no-header", "--listening", "--numeric", "--tcp", "--udp", "--processes"),
    ),
    "units of systemd": ("systemctl", "list-units", "--plain", "--no-legend", "--no-pager"),
}
_CTR_LISTS: Final = {
    "containers": ("containers", "ls", "--quiet"),
    "tasks": ("tasks", "ls", "--quiet"),
    "snapshots": ("snapshots", "ls"),
}
CONTAINERD: Final = "/run/containerd/containerd.sock"


def look(machine: Machine, *, socket: str = CONTAINERD, namespace: str = "hatchway") -> Traces:
    ctr = ("ctr", "--address", socket, "--namespace", namespace)
    lists = {**_LISTS, **{kind: (*ctr, *argv) for kind, argv in _CTR_LISTS.items()}}
    return {kind: _relevant(kind, machine.run(argv)) for kind, argv in lists.items()}


def added(before: Traces, after: Traces) -> dict[str, list[str]]:
    """Give what is there now and was not before, by kind."""
    new = {kind: sorted(after[kind] - before[kind]) for kind in before}
    return {kind: found for kind, found in new.items() if found}


def _relevant(kind: str, listing: str) -> frozenset[str]:
    lines = [" ".join(line.split()) for line in listing.splitlines()]
    if kind == "units of systemd":
        lines = [line.split()[0] for line in lines]
    if kind == "listening sockets":
        # The host's time client (as the kernel cuts its name) takes another port at any moment.
        lines = [line for line in lines if '"systemd-timesyn"' not in line]
        lines = [line.partition(" users:")[0] for line in lines]
    if kind == "snapshots":  # the image stays, and its layers with it
        lines = [line for line in lines if line.endswith(" Active")]
    return frozenset(lines)
