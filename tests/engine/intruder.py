# SPDX-License-Identifier: Apache-2.0
# A tight loop is the point.
# ruff: noqa: PTH115, PTH116, PTH123, PTH208
"""A hostile process in a target, which looks for a way out through whatever else appears there.

    python -m tests.engine.intruder PID MARKER [ROOT] < DEVICES

It enters all namespaces of PID, as root with the rights in CAPABILITIES, and scans the processes in
there over and over until its standard input ends. What it finds it writes to standard output as
JSON. DEVICES is a line of JSON: device numbers of the host's file systems that are not the
target's. MARKER is a file of the host, whose root lies at ROOT. It needs no more than `hostview`,
so that it runs in the admin image as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
from typing import TYPE_CHECKING, Any

from hostview import kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

# linux/capability.h
CAPABILITIES = {
    "CHOWN": 0, "DAC_OVERRIDE": 1, "DAC_READ_SEARCH": 2, "FOWNER": 3, "KILL": 5, "SETGID": 6,
    "SETUID": 7, "SYS_CHROOT": 18, "SYS_PTRACE": 19, "SYS_ADMIN": 21,
}  # fmt: skip
# What it is to look at: sessions of every kind. Something is left behind, so it is swept as well.
SCRIPT = "sleep 0.2 & wait; setsid sleep 555 & exit 0"
SESSIONS = (
    ("--profile", "observe"),
    ("--profile", "general"),
    ("--profile", "netadmin"),
    ("--profile", "sysadmin"),
    ("--root", "target"),
    ("--root", "target", "--profile", "observe"),
    ("--root", "target", "--profile", "sysadmin", "--ptrace"),
)

_LINKS = ("root", "cwd", "exe")
_LISTS = ("fd", "map_files")
_STREAMS = frozenset({"0", "1", "2"})
# Where the host may be below a directory that is not the target's.
_WAYS = ("", "/host", "/proc/1/root", "/1/root", "/host/proc/1/root", "/..", "/../..")
_ALL_NAMESPACES = (
    kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS | kernel.CLONE_NEWCGROUP
)  # fmt: skip


class Intruder:
    """`found` are ways out by name, `met` the processes of others by pid and name."""

    def __init__(self, marker: str, host: os.stat_result, devices: set[int]) -> None:
        self.marker = marker
        self.host = host
        self.devices = devices
        self.found: dict[str, str] = {}
        self.met: set[tuple[int, str]] = set()
        self.scans = 0
        self.mine = {os.getpid(), 1}
        self.namespaces = {
            name: os.readlink(f"/proc/1/ns/{name}") for name in os.listdir("/proc/1/ns")
        }

    def scan(self) -> None:
        self.scans += 1
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) not in self.mine:
                with contextlib.suppress(OSError):
                    self.met.add((int(name), _read(f"/proc/{name}/comm").strip()))
                    self._look_at(name)

    def _look_at(self, pid: str) -> None:
        for place in self._places(f"/proc/{pid}"):
            with contextlib.suppress(OSError):
                facts = os.stat(place)
                if facts.st_dev in self.devices:
                    self._tell(place, "is on a file system of the host")
            for way in _WAYS:
                with contextlib.suppress(OSError):
                    if os.path.samestat(os.stat(f"{place}{way}{self.marker}"), self.host):
                        self._tell(f"{place}{way}", "leads to the marker")
        self._compare_namespaces(pid)
        if mounted := devices(_read(f"/proc/{pid}/mountinfo")) & self.devices:
            self._tell(f"/proc/{pid}/mountinfo", f"has {mounted}")

    def _places(self, process: str) -> Iterator[str]:
        tasks = [process]
        with contextlib.suppress(OSError):
            tasks += [f"{process}/task/{task}" for task in os.listdir(f"{process}/task")]
        for task in tasks:
            yield from (f"{task}/{link}" for link in _LINKS)
            for each in _LISTS:
                with contextlib.suppress(OSError):
                    names = os.listdir(f"{task}/{each}")
                    yield from (f"{task}/{each}/{n}" for n in names if n not in _STREAMS)

    def _compare_namespaces(self, pid: str) -> None:
        """Its own mount namespace is no way out by itself: what is in there has been looked at."""
        for name, own in self.namespaces.items():
            if name != "mnt" and (theirs := os.readlink(f"/proc/{pid}/ns/{name}")) != own:
                self._tell(f"/proc/{pid}/ns/{name}", f"is {theirs}, the target has {own}")

    def _tell(self, place: str, what: str) -> None:
        with contextlib.suppress(OSError):
            parts = place.split("/")
            who = _read(f"/proc/{parts[2]}/comm").strip()
            self.found["/".join(["", "proc", who, *parts[3:]])] = what

    def report(self) -> dict[str, Any]:
        return {"found": self.found, "met": sorted(self.met), "scans": self.scans}


def devices(mountinfo: str) -> set[int]:
    """Numbers of the file systems in there."""
    lines = (line.split()[2].split(":") for line in mountinfo.splitlines())
    return {os.makedev(int(major), int(minor)) for major, minor in lines}


def _read(path: str) -> str:
    with open(path, errors="surrogateescape", encoding="utf-8") as file:
        return file.read()


def _enter(pid: int) -> None:
    handle = os.pidfd_open(pid)
    kinds = _ALL_NAMESPACES
    if os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user"):
        kinds |= kernel.CLONE_NEWUSER
    kernel.setns(handle, kinds)
    os.close(handle)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    kernel.capset(sum(1 << bit for bit in CAPABILITIES.values()))


def main() -> None:
    pid, marker = int(sys.argv[1]), sys.argv[2]
    host = os.stat("".join(sys.argv[3:]) + marker)
    devices = set(json.loads(sys.stdin.readline()))
    _enter(pid)
    if child := os.fork():  # the pid namespace is for children
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    intruder = Intruder(marker, host, devices)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not select.select([0], [], [], 0)[0]:
        intruder.scan()
    sys.stdout.write(json.dumps(intruder.report()))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
