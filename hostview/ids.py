# SPDX-License-Identifier: Apache-2.0
"""Who on a host has a user or group number: an account, a range for containers, a process.

Whoever has the number of a process may look into it, write through its root and trace it, from
any container that shares the host's pid namespace.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import NamedTuple

ACCOUNT_FILES = ("passwd", "group")
RANGE_FILES = ("subuid", "subgid")
# Real, effective, saved and of the file system; then the supplementary groups.
_STATUS = re.compile(rb"^(?:Uid|Gid|Groups):(.*)$", re.MULTILINE)


class Span(NamedTuple):
    """Numbers in a row, and who has them."""

    first: int
    size: int
    owner: str

    def has(self, number: int) -> bool:
        return self.first <= number < self.first + self.size


def taken(*, etc: str = "/etc", proc: str = "/proc") -> list[Span]:
    """Every number that somebody has, for a reader in the host's user namespace."""
    spans = [span for name in ACCOUNT_FILES for span in _accounts(f"{etc}/{name}")]
    spans += [span for name in RANGE_FILES for span in _ranges(f"{etc}/{name}")]
    namespaces: dict[str, int] = {}
    for pid in _pids(proc):
        spans += [Span(number, 1, f"process {pid}") for number in of_process(pid, proc=proc)]
        with contextlib.suppress(OSError):
            namespaces.setdefault(os.readlink(f"{proc}/{pid}/ns/user"), pid)  # noqa: PTH115 - text
    for pid in namespaces.values():
        spans += _mapped(pid, proc)
    return spans


def of_process(pid: int, *, proc: str = "/proc") -> set[int]:
    """All user and group numbers of a process; none of one that has ended."""
    try:
        status = Path(f"{proc}/{pid}/status").read_bytes()
    except OSError:
        return set()
    return {int(number) for line in _STATUS.findall(status) for number in line.split()}


def holders(number: int, *, proc: str = "/proc") -> set[int]:
    """The processes that have a number."""
    return {pid for pid in _pids(proc) if number in of_process(pid, proc=proc)}


def _pids(proc: str) -> list[int]:
    return [int(name) for name in os.listdir(proc) if name.isdigit()]  # noqa: PTH208 - hundreds


def _accounts(path: str) -> list[Span]:
    """`NAME:PASSWORD:NUMBER:...` of passwd(5) and group(5); of passwd the group as well."""
    found = []
    for fields in _rows(path):
        numbers = fields[2:4] if path.endswith("passwd") else fields[2:3]
        found += [Span(int(n), 1, f"{fields[0]} in {path}") for n in numbers if n.isdecimal()]
    return found


def _ranges(path: str) -> list[Span]:
    """`OWNER:FIRST:COUNT` of subuid(5)."""
    return [
        Span(int(fields[1]), int(fields[2]), f"the range of {fields[0]} in {path}")
        for fields in _rows(path)
        if len(fields) == 3 and fields[1].isdecimal() and fields[2].isdecimal()
    ]


def _rows(path: str) -> list[list[str]]:
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line.split(":") for line in text.splitlines() if line.count(":") >= 2]


def _mapped(pid: int, proc: str) -> list[Span]:
    """The numbers of the host that a process's user namespace has.

    Not those of one that has the host's root, as the host's own: it needs no other number.
    """
    spans = []
    for name in ("uid_map", "gid_map"):
        try:
            lines = Path(f"{proc}/{pid}/{name}").read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        owner = f"the user namespace of process {pid}"
        rows = [tuple(map(int, line.split())) for line in lines]
        found = [Span(first, count, owner) for _, first, count in rows]
        spans += [] if any(span.has(0) for span in found) else found
    return spans
