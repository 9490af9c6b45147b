# SPDX-License-Identifier: Apache-2.0
"""`hostps`: the host's containers, as crictl shows them, through the host's own `ctr`."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

HOSTSH = "/usr/bin/hostsh"
TIME_LIMIT = 20.0
# Labels that containerd's CRI plugin gives.
_NAME = "io.kubernetes.container.name"
_POD = "io.kubernetes.pod.name"
_NAMESPACE = "io.kubernetes.pod.namespace"
_KIND = "io.cri-containerd.kind"
FIRST = "k8s.io"
COLUMNS = ("NAMESPACE", "POD", "NAME", "STATE", "PID", "IMAGE", "ID")

HELP = """\
usage: hostps [--json] [--address SOCKET]

The containers of the host's containerd, those of Kubernetes first.

  --json            an array of objects
  --address SOCKET  another containerd, by its socket on the host
"""


class CtrError(Exception):
    """The host's ctr is missing or refuses; `status` is what it ended with."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One container; `namespace` is that of its pod, or else `containerd:` and containerd's own."""

    namespace: str
    pod: str
    name: str
    state: str
    pid: int
    image: str
    id: str


def main() -> int:
    arguments = sys.argv[1:]
    if set(arguments) & {"-h", "--help"}:
        sys.stdout.write(HELP)
        return 0
    try:
        as_json, address = parse(arguments)
        found = rows(address)
    except CtrError as error:
        sys.stderr.write(f"hostps: {error}\n")
        return error.status
    sys.stdout.write(to_json(found) if as_json else table(found))
    return 0


def parse(arguments: list[str]) -> tuple[bool, str]:
    as_json, address, words = False, "", iter(arguments)
    for word in words:
        if word == "--json":
            as_json = True
        elif word == "--address" and (value := next(words, "")):
            address = value
        else:
            raise CtrError(f"cannot use {word}; see hostps --help", 64)
    return as_json, address


def rows(address: str = "") -> list[Row]:
    namespaces = _ctr(address, "namespaces", "list", "--quiet").split()
    found = []
    for namespace in sorted(namespaces, key=lambda name: (name != FIRST, name)):
        found += _rows(address, namespace)
    return found


def row(namespace: str, info: dict[str, object], task: tuple[int, str] | None) -> Row:
    """Combine what `ctr containers info` says with the line of `ctr tasks list`."""
    labels = info.get("Labels")
    labels = labels if isinstance(labels, dict) else {}
    pid, state = task or (0, "NONE")
    sandbox = labels.get(_KIND) == "sandbox"
    return Row(
        namespace=labels.get(_NAMESPACE) or f"containerd:{namespace}",
        pod=labels.get(_POD, ""),
        name="(sandbox)" if sandbox else labels.get(_NAME, ""),
        state=state.lower(),
        pid=pid,
        image=str(info.get("Image", "")),
        id=str(info.get("ID", "")),
    )


def tasks(listing: str) -> dict[str, tuple[int, str]]:
    """Read `ctr tasks list`: TASK PID STATUS."""
    lines = (line.split() for line in listing.splitlines()[1:])
    return {words[0]: (int(words[1]), words[2]) for words in lines if len(words) > 2}


def table(found: list[Row]) -> str:
    lines = [COLUMNS, *((_cells(row)) for row in found)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "".join(f"{line.rstrip()}\n" for line in padded)


def to_json(found: list[Row]) -> str:
    return json.dumps([dataclasses.asdict(row) for row in found], indent=2) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    pid = str(row.pid) if row.pid else "-"
    cells = (row.namespace, row.pod, row.name, row.state, pid, row.image, row.id[:13])
    return tuple(cell or "-" for cell in cells)


def _rows(address: str, namespace: str) -> list[Row]:
    running = tasks(_ctr(address, "--namespace", namespace, "tasks", "list"))
    names = _ctr(address, "--namespace", namespace, "containers", "list", "--quiet").split()

    def info(name: str) -> dict[str, object]:
        try:
            text = _ctr(address, "--namespace", namespace, "containers", "info", name)
        except CtrError:
            return {}  # gone since it was listed
        value = json.loads(text)
        return value if isinstance(value, dict) else {}

    # One process for each container: ctr has no call for them all.
    with ThreadPoolExecutor(max_workers=4) as pool:
        infos = [value for value in pool.map(info, names) if value]
    return [row(namespace, value, running.get(str(value.get("ID")))) for value in infos]


def _ctr(address: str, *arguments: str) -> str:
    where = ("--address", address) if address else ()
    done = subprocess.run(
        (HOSTSH, "ctr", *where, *arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
    )
    if done.returncode == 127:
        raise CtrError(
            "the host has no ctr: its containers are not containerd's, or it hides it", 127
        )
    if done.returncode:
        raise CtrError(f"the host's ctr failed: {done.stderr.strip()}", 1)
    return done.stdout
