# SPDX-License-Identifier: Apache-2.0
"""dockerd and containerd of our own, each in a private directory and on a socket of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from launcher import proc

if TYPE_CHECKING:
    from collections.abc import Iterator

_START = 60.0  # seconds
_NO_CRI = 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'


@contextlib.contextmanager
def short_directory() -> Iterator[Path]:
    """Give a private directory below /run: sockets below it must fit into 108 bytes."""
    place = Path(tempfile.mkdtemp(prefix="hw-", dir="/run"))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def dockerd(data: Path, *more: str, run: Path | None = None) -> Iterator[str]:
    """Run dockerd, which touches no network and no settings of the machine; gives its socket.

    `run` is a short directory for one that is to be started again.
    """
    data.mkdir(parents=True, exist_ok=True)
    settings = data / "daemon.json"
    settings.write_text("{}")
    with contextlib.nullcontext(run) if run else short_directory() as place:
        socket = f"{place}/docker.sock"
        argv = (
            "dockerd", "--data-root", f"{data}/root", "--exec-root", f"{place}/exec",
            "--host", f"unix://{socket}", "--pidfile", f"{place}/pid",
            "--config-file", f"{settings}",
            "--iptables=false", "--ip-forward=false", "--bridge=none", *more,
        )  # fmt: skip
        question = ("docker", "-H", f"unix://{socket}", "info")
        try:
            with _running(argv, data / "log", question):
                yield socket
        finally:
            # dockerd does not always take its network namespace's mount down.
            netns = f"{place}/exec/netns/default"
            subprocess.run(["umount", netns], capture_output=True, check=False)
            # With `--userns-remap` it makes directories beside ours, by the numbers of the users.
            for shifted in place.parent.glob(f"{place.name}.*"):
                shutil.rmtree(shifted, ignore_errors=True)


@contextlib.contextmanager
def containerd(data: Path) -> Iterator[str]:
    """Run containerd without Kubernetes' part; gives its socket."""
    data.mkdir(parents=True, exist_ok=True)
    settings = data / "config.toml"
    settings.write_text(_NO_CRI)
    with short_directory() as run:
        socket = f"{run}/containerd.sock"
        argv = (
            "containerd", "--config", str(settings), "--root", f"{data}/root",
            "--state", f"{run}/state", "--address", socket,
        )  # fmt: skip
        with _running(argv, data / "log", ("ctr", "--address", socket, "version")):
            try:
                yield socket
            finally:
                _end_tasks(socket)
                _end_shims(socket)


def _end_shims(socket: str) -> None:
    """End those that containerd forgot, as it does when its client is killed as it starts one."""
    for pid in proc.called("containerd-shim-runc-v2"):
        if socket in proc.arguments(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _end_tasks(socket: str) -> None:
    """End what still runs: runc's record of it is the machine's, and outlives this containerd."""
    for namespace in _ctr(socket, "namespaces", "list", "--quiet"):
        for task in _ctr(socket, "--namespace", namespace, "tasks", "list", "--quiet"):
            _ctr(socket, "--namespace", namespace, "tasks", "delete", "--force", task)


def _ctr(socket: str, *argv: str) -> list[str]:
    whole = ("ctr", "--address", socket, *argv)
    return subprocess.run(whole, capture_output=True, text=True, check=False).stdout.split()


@contextlib.contextmanager
def _running(argv: tuple[str, ...], log: Path, question: tuple[str, ...]) -> Iterator[None]:
    with log.open("wb") as sink, subprocess.Popen(argv, stdout=sink, stderr=sink) as child:
        try:
            _wait_for(question, child, log)
            yield
        finally:
            child.terminate()


def _wait_for(question: tuple[str, ...], child: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START
    while subprocess.run(question, capture_output=True, check=False).returncode:
        assert child.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < end, log.read_text()[-2000:]
        time.sleep(0.1)
