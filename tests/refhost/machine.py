# SPDX-License-Identifier: Apache-2.0
"""One reference host: boots, runs commands, loses power, boots again on the same disk."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests import leftovers
from tests.refhost.agent import Agent, AgentError, AgentSilentError, Completed
from tests.refhost.build import build
from tests.refhost.parcel import PARCEL, pack_parcel
from tests.refhost.qemu import Hardware, argv
from tests.refhost.qmp import Monitor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Ten seconds on an idle machine; many times that when all its processors are busy.
UP_TIMEOUT = 240.0
_EXIT_TIMEOUT = 10.0
_START_TIMEOUT = 60.0  # QEMU's own
_START_TRIES = 5
_LAST_LINES = 25
# What the console says when there is nothing left to wait for.
_DEAD = ("refhost: initrd:", "Kernel panic", "You are in emergency mode")


class MachineError(Exception):
    """The host did not come up, or is gone; the message ends with the console's last lines."""


class Machine:
    """A reference host of its own, with its own disk; it and all its files are gone on exit.

    Args:
        files: local files and trees by their place on the host, put there before the first boot.
        forwards: ports on this machine's loopback by the host's port; 0 picks a free one.
            The host's port 22 is always forwarded, see `ssh_port`.
        memory: in MiB.
        cpus: number of processors.
        disks: sizes of further empty disks, such as "1G": /dev/disk/by-id/virtio-disk0 and so on.
        cmdline: further words for the kernel, such as "systemd.unified_cgroup_hierarchy=0".
        qemu_args: further arguments for QEMU.
        started: whether entering the context boots the host and waits until it is up.

    """

    def __init__(
        self,
        *,
        files: Mapping[str, Path] | None = None,
        forwards: Mapping[int, int] | None = None,
        memory: int = 2048,
        cpus: int = 2,
        disks: Sequence[str] = (),
        cmdline: Sequence[str] = (),
        qemu_args: Sequence[str] = (),
        started: bool = True,
    ) -> None:
        self._images = build()
        self._wanted_forwards = {22: 0, **(forwards or {})}
        self._hardware = Hardware(
            directory=Path(tempfile.mkdtemp(prefix="refhost-")),
            memory=memory,
            cpus=cpus,
            forwards=_chosen(self._wanted_forwards),
            disks=tuple(f"disk{number}" for number in range(len(disks))),
            cmdline=tuple(cmdline),
            extra=tuple(qemu_args),
        )
        self._agent = Agent(self._hardware.agent)
        self._process: subprocess.Popen[bytes] | None = None
        self._started = started
        self._waiting = dict(files or {})
        # Where in the console this boot begins: an earlier one may have ended badly.
        self._booted_at = 0
        _make_disk(self._hardware.disk("var"), "-b", f"{self._images.var}", "-F", "raw")
        for name, size in zip(self._hardware.disks, disks, strict=True):
            _make_disk(self._hardware.disk(name), size=size)

    def __enter__(self) -> Self:
        if self._started:
            try:
                self.boot()
                self.wait_until_up()
            except BaseException:
                self.close()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the machine and remove its disks; harmless when done before."""
        self.power_cut()
        shutil.rmtree(self._hardware.directory, ignore_errors=True)

    # Power

    def boot(self, *, qemu_args: Sequence[str] | None = None) -> None:
        """Switch the host on; it boots by itself. `copy_in` since the last is done on the way.

        `qemu_args`, where given, replace those of before: another firmware, another seed disk.
        """
        if self.running:
            raise MachineError("the host is running already")
        if qemu_args is not None:
            self._hardware = dataclasses.replace(self._hardware, extra=tuple(qemu_args))
        parcel = self._hardware.directory / "parcel.img" if self._waiting else None
        if parcel:
            pack_parcel(self._waiting, parcel)
        self._waiting.clear()
        self._booted_at = len(self.console)
        for _ in range(_START_TRIES):
            said = self._start_qemu(argv(self._hardware, self._images, parcel=parcel))
            if "host forwarding" not in said:
                return
            # Somebody took a port after we had found it free.
            forwards = _chosen(self._wanted_forwards)
            self._hardware = dataclasses.replace(self._hardware, forwards=forwards)

    def _start_qemu(self, command: Sequence[str]) -> str:
        """Start it, and wait until it has its ports; what it said if it ended instead."""
        path = self._hardware.directory / "qemu.log"
        with path.open("ab") as log:
            begin = log.tell()
            # Ends with the thread that started it: a killed test run leaves no machine behind.
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        # Tests switch the machine of a run off and on again.
        leftovers.keep(self._process.pid)
        deadline = time.monotonic() + _START_TIMEOUT
        while self.running and time.monotonic() < deadline:
            # Its monitor is the last thing to answer.
            with contextlib.suppress(OSError), Monitor(self._hardware.monitor):
                return ""
            time.sleep(0.05)
        return path.read_bytes()[begin:].decode(errors="replace")

    def wait_for_agent(self, timeout: float = UP_TIMEOUT) -> None:
        """Wait until the host runs commands: early in its boot, before kubelet has to be up."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self._agent.ping(timeout=2)
            except AgentSilentError:
                self._check_alive()
                if time.monotonic() > deadline:
                    raise self._error(f"the host runs no commands after {timeout:g} s") from None
                time.sleep(0.2)
            else:
                return

    def wait_until_up(self, timeout: float = UP_TIMEOUT) -> str:
        """Wait until the boot has ended; returns systemd's word: "running", "degraded" ..."""
        deadline = time.monotonic() + timeout
        self.wait_for_agent(timeout)
        while time.monotonic() < deadline:
            state = self.exec(["systemctl", "is-system-running"]).stdout.decode().strip()
            if state not in {"", "initializing", "starting"}:
                return state
            time.sleep(0.5)
        raise self._error(f"the host is not up after {timeout:g} s")

    def power_cut(self) -> None:
        """Cut the host off: nothing is told, nothing is synced."""
        self._agent.close()
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError), Monitor(self._hardware.monitor) as monitor:
            monitor.quit()
        try:
            process.wait(_EXIT_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def reboot(self, timeout: float = UP_TIMEOUT) -> str:
        """Let the host reboot in order and wait until it is up, as `wait_until_up` does."""
        deadline = time.monotonic() + timeout
        before = self.boot_id()
        # Not waited for: the agent goes down with the host and might never answer.
        self._agent.start(["systemctl", "reboot"])
        while True:
            # An agent that has just begun knows nothing of what its predecessor was asked; before,
            # it falls silent, or its processes do not end, or are ended: each a kind of OSError.
            with contextlib.suppress(AgentError, OSError):
                self._agent.ping(timeout=2)
                if self.boot_id() != before:
                    return self.wait_until_up(deadline - time.monotonic())
            self._check_alive()
            if time.monotonic() > deadline:
                raise self._error(f"the host has not rebooted after {timeout:g} s")
            time.sleep(0.5)

    # Inside the host

    def exec(
        self,
        argv: Sequence[str],
        *,
        input: bytes | None = None,  # noqa: A002 - as `subprocess` calls it
        env: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> Completed:
        """Run a command on the host, see `Agent.exec`; returns when its outputs are closed too."""
        try:
            return self._agent.exec(argv, input=input, env=env, timeout=timeout)
        except AgentSilentError as error:
            self._check_alive()
            # Its end is what some tests are about; whoever did not expect it needs all there is.
            asked = f"{error}; {argv[0]} was asked for\n{self._vital_signs()}"
            raise AgentSilentError(str(self._error(asked))) from error

    def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> str:
        """Run a command that must succeed; returns what it wrote."""
        done = self.exec(argv, timeout=timeout)
        assert done.status == 0, f"{argv} ended with {done.status}: {done.stderr.decode()}"
        return done.stdout.decode()

    def read(self, path: str) -> bytes:
        done = self.exec(["cat", path])
        if done.status:
            raise FileNotFoundError(done.stderr.decode())
        return done.stdout

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Write a small file, and the directories above it; for large ones see `copy_in`."""
        done = self.exec(["install", "-D", "-m", f"{mode:o}", "/dev/stdin", path], input=data)
        if done.status:
            raise OSError(done.stderr.decode())

    def copy_in(self, local: Path, place: str) -> None:
        """Put a file or a whole tree onto the host: now when it runs, else when it boots next."""
        if not self.running:
            if place.startswith(("/run/", "/tmp/")):
                raise ValueError(f"{place} would be lost: it lies in memory that the boot provides")
            self._waiting[place] = local
            return
        # The name "parcel" is that of the disk which the initrd unpacks.
        image = self._hardware.directory / "brought.img"
        steps = pack_parcel({place: local}, image)
        with self.plugged("brought", image) as disk:
            self.run(["mkdir", "-p", PARCEL])
            self.run(["mount", "-t", "squashfs", "-o", "ro", disk, PARCEL])
            try:
                for step in steps:
                    self.run(step, timeout=300)
            finally:
                self.run(["umount", PARCEL])

    @contextlib.contextmanager
    def plugged(self, name: str, image: Path) -> Iterator[str]:
        """Plug a read-only disk for a while; its name on the host."""
        device = f"/dev/disk/by-id/virtio-{name}"
        with Monitor(self._hardware.monitor) as monitor:
            monitor.plug_disk(name, image)
            try:
                self._wait_for_disk(device)
                yield device
            finally:
                monitor.unplug_disk(name)

    @contextlib.contextmanager
    def inserted(self, name: str, image: Path) -> Iterator[None]:
        """Have the host see a CD drive with this disc for a while."""
        with Monitor(self._hardware.monitor) as monitor:
            monitor.plug_cd(name, image)
            try:
                self._wait_for_disk("/dev/sr0")
                yield
            finally:
                monitor.unplug_cd(name)

    def _wait_for_disk(self, device: str) -> None:
        deadline = time.monotonic() + 30
        # The disk was only just plugged: the kernel and udev see it in their own time.
        while self.exec(["test", "-b", device]).status and time.monotonic() < deadline:
            time.sleep(0.1)

    def boot_id(self) -> str:
        path = "/proc/sys/kernel/random/boot_id"
        done = self.exec(["cat", path], timeout=30)
        if done.status:  # then it said nothing, which is no other boot's name
            raise OSError(f"cat {path} ended with {done.status}")
        return done.stdout.decode().strip()

    # Seen from outside

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def console(self) -> str:
        """All that the console has shown, over all boots."""
        with contextlib.suppress(FileNotFoundError):
            return self._hardware.console.read_text(errors="replace")
        return ""

    @property
    def forwards(self) -> Mapping[int, int]:
        return self._hardware.forwards

    @property
    def ssh_port(self) -> int:
        return self._hardware.forwards[22]

    def _check_alive(self) -> None:
        if not self.running:
            raise self._error("the host is switched off")
        for sign in _DEAD:
            if sign in self.console[self._booted_at :]:
                raise self._error("the host has died")

    def _vital_signs(self) -> str:
        """Where each processor of the host is, twice: whether it still runs at all."""
        seen = []
        with contextlib.suppress(OSError), Monitor(self._hardware.monitor) as monitor:
            for _ in range(2):
                time.sleep(1)
                command = "info registers -a"
                said = monitor.execute("human-monitor-command", command_line=command)
                seen += [line for line in str(said).splitlines() if line.startswith(("CPU", "RIP"))]
        return "\n".join(seen) or "its emulator does not answer either"

    def _error(self, message: str) -> MachineError:
        log = self._hardware.directory / "qemu.log"
        said = log.read_text(errors="replace").splitlines() if log.exists() else []
        shown = self.console.splitlines()[-_LAST_LINES:]
        return MachineError("\n".join([message, *said[-5:], *shown]))


def _make_disk(path: Path, *backing: str, size: str = "") -> None:
    command = ["qemu-img", "create", "-q", "-f", "qcow2", *backing, os.fspath(path)]
    subprocess.run([*command, size] if size else command, check=True, stdin=subprocess.DEVNULL)


def _chosen(forwards: Mapping[int, int]) -> dict[int, int]:
    return {inner: outer or _free_port() for inner, outer in forwards.items()}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
