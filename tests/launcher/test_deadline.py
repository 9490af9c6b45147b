# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from launcher.deadline import NEVER, Deadline
from launcher.errors import RuntimeUnavailableError
from launcher.runtimes import ping
from launcher.runtimes.containerd import Containerd
from launcher.runtimes.ctr import Ctr
from launcher.runtimes.podman import Podman
from launcher.runtimes.whales import Whales

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from launcher.runtimes.base import Runtime


def test_what_is_left_is_never_below_zero_nor_above_the_most() -> None:
    assert Deadline.after(-1).left() == 0
    assert Deadline.after(-1).passed
    assert NEVER.left(30) == 30
    assert NEVER.within(-1).passed
    assert Deadline.after(-1).within(60).passed


@pytest.mark.parametrize(
    "engine",
    [
        Whales("docker", "/no/such/client"),
        Podman("podman", "/no/such/client"),
        Containerd(Ctr("/no/such/client", "/run/x.sock", "test")),
    ],
    ids=lambda engine: engine.name,
)
def test_an_engine_is_asked_nothing_when_the_time_is_over(engine: Runtime) -> None:
    late = engine.within(Deadline.after(0))
    for question in (
        lambda: late.find_image("x"),
        lambda: late.find("x"),
        lambda: late.names("x"),
        lambda: late.remove("x", grace=1),
    ):
        with pytest.raises(RuntimeUnavailableError) as caught:
            question()
        assert caught.value.code == "runtime.timeout"


@contextlib.contextmanager
def daemon(path: Path, answer: bytes | None) -> Iterator[str]:
    """Takes connections; says `answer`, or nothing at all for None."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):
                taken, _ = server.accept()
                with taken:
                    taken.recv(4096)
                    taken.sendall(answer or b"")

        if answer is not None:
            threading.Thread(target=serve, daemon=True).start()
        yield str(path)


def test_a_daemon_that_takes_connections_and_says_nothing_hangs(tmp_path: Path) -> None:
    with daemon(tmp_path / "s", None) as address:
        assert ping.problem(address, ping.DOCKER, 0.5) == ping.HUNG


def test_a_daemon_for_which_no_time_is_left_is_not_said_to_hang(tmp_path: Path) -> None:
    assert ping.problem(str(tmp_path / "x"), ping.GRPC, 0) == ping.LATE


def test_a_daemon_that_answers_or_hangs_up_is_told_apart(tmp_path: Path) -> None:
    with daemon(tmp_path / "a", b"HTTP/1.1 200 OK\r\n") as address:
        assert ping.problem(address, ping.DOCKER, 30) is None
    with daemon(tmp_path / "b", b"") as address:
        assert "without an answer" in str(ping.problem(address, ping.DOCKER, 30))
    assert ping.problem(str(tmp_path / "c"), ping.GRPC, 30) == "no such file or directory"


STUBBORN = """
import os, signal, sys
from launcher import interrupt, process
from launcher.deadline import Deadline
child = "trap '' TERM; echo $$ >&9; while :; do sleep 0.05; done"
os.dup2(int(sys.argv[1]), 9)
os.set_inheritable(9, True)
import subprocess
popen = subprocess.Popen
subprocess.Popen = lambda *a, **k: popen(*a, **k, pass_fds=(9,))
try:
    with interrupt.noted():
        process.run(("sh", "-c", child), timeout=600)
except interrupt.Interrupted as told:
    sys.exit(128 + told.number)
"""


def test_a_signal_ends_a_client_that_hears_no_signal() -> None:
    reader, writer = os.pipe()
    argv = (sys.executable, "-c", STUBBORN, str(writer))
    with subprocess.Popen(argv, pass_fds=(writer,)) as launcher:
        os.close(writer)
        assert os.read(reader, 16).strip().isdigit()
        launcher.terminate()
        assert launcher.wait(60) == 143
    # All that held it has ended: the client was killed.
    while os.read(reader, 16):
        pass
    os.close(reader)
