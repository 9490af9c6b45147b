# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from launcher import proc, tcp
from launcher.proc import Process

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when uid timeout inode
   0: 0100007F:08AE 00000000:0000 0A 0:0 0:0 0 0 0 4711 1
   1: 00000000000000000000000001000000:0016 0000000000000000FFFF00000200000A:C350 01 0:0 0:0 0 0 0 42 1
"""  # noqa: E501


def test_the_kernels_table_is_decoded() -> None:
    first, second = tcp.sockets(TABLE)
    assert (first.address, first.port, first.state, first.inode) == (
        "127.0.0.1", 2222, tcp.LISTEN, "4711",
    )  # fmt: skip
    assert (second.address, second.port, second.peer, second.peer_port) == (
        "::1", 22, "10.0.0.2", 50000,
    )  # fmt: skip


def test_who_listens_is_found_by_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = tcp.listener("", port)
        assert found is not None
        assert tcp.owner(found.inode) == Process.of(os.getpid())
        assert tcp.listener("127.0.0.2", port) is None
    assert tcp.listener("", port) is None


def test_a_process_that_ended_is_not_alive_even_as_a_zombie() -> None:
    with subprocess.Popen(("sleep", "60")) as child:
        process = Process.of(child.pid)
        assert process is not None
        assert process.alive()
        child.kill()
        deadline = time.monotonic() + 10
        while process.alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not process.alive()


@pytest.fixture
def nameless(tmp_path: Path) -> Iterator[int]:
    """The pid of a process whose name is no UTF-8, and that has no command line."""
    program = tmp_path / os.fsdecode(b"a\xff\x1b) Z\r9")
    program.symlink_to("/bin/cat")
    with started("", executable=program) as pid:
        yield pid


@contextlib.contextmanager
def started(*argv: str, executable: Path | None = None) -> Iterator[int]:
    with subprocess.Popen(argv, executable=executable, stdin=subprocess.PIPE) as child:
        # It is itself a moment after it was started.
        while Path(f"/proc/{child.pid}/cmdline").read_bytes() != "\0".join((*argv, "")).encode():
            time.sleep(0.01)
        yield child.pid
        child.kill()


def test_a_process_of_any_name_is_found(nameless: int) -> None:
    process = Process.of(nameless)
    assert process is not None
    assert process.alive()
    assert not proc.is_stopped(nameless)


def test_a_title_is_one_line_that_every_terminal_can_show(nameless: int) -> None:
    assert proc.title(nameless) == "a\ufffd?) Z 9"
    with started("cat", "-", "1\n2", "\x1b[2J") as pid:
        assert proc.title(pid) == "cat - 1 2 ?[2J"


def test_another_process_with_the_same_pid_is_another() -> None:
    myself = Process.of(os.getpid())
    assert myself is not None
    assert not Process(myself.pid, myself.started - 1).alive()


def test_since_is_when_it_began() -> None:
    with subprocess.Popen(("sleep", "60")) as child:
        process = Process.of(child.pid)
        assert process is not None
        assert process.since() == pytest.approx(time.time(), abs=5)
        child.kill()


def test_a_pid_that_is_none_is_nothing() -> None:
    assert Process.of(-1) is None
    assert not Process(0, 0).alive()


def test_who_started_us_is_told_from_anybody_else() -> None:
    assert proc.descends_from(os.getppid())
    with subprocess.Popen(("sleep", "60")) as other:
        assert not proc.descends_from(other.pid)
        other.kill()
