# SPDX-License-Identifier: Apache-2.0
"""A client in the foreground, with ordinary programs in its place."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from launcher import process
from launcher.errors import HostError
from toolbox import foreground
from toolbox.relay import Relay

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.realtime

SH = "/bin/sh"
PARENT = """
import sys
from launcher import process
from launcher.errors import HostError
from toolbox import foreground
with foreground.blocked():
    client = foreground.Client(("/bin/sh", "-c", sys.argv[1]))
    print("status", client.wait(grace=float(sys.argv[2])), flush=True)
    client.end(grace=0)
"""


def run(script: str, *, until: float | None = None) -> int | None:
    with foreground.blocked():
        client = foreground.Client((SH, "-c", script))
        status = client.wait(until)
        client.send(signal.SIGKILL)
        client.wait()
    return status


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", -9)])
def test_the_status_is_the_clients(script: str, status: int) -> None:
    assert run(script) == status


def test_a_program_that_is_not_there_is_our_failure() -> None:
    with foreground.blocked():
        assert foreground.Client(("/no/such/program",)).wait() == 125


@pytest.mark.parametrize("script", ["echo x", "exec cat /dev/zero", "echo x >&2; exec sleep 60"])
def test_output_that_cannot_be_written_is_noticed(script: str) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with foreground.blocked():
        client = foreground.Client((SH, "-c", script), streams=(0, full, full))
        client.wait()
        assert client.output_lost is not None
        assert client.output_lost.errno == errno.ENOSPC
        client.send(signal.SIGKILL)
        assert client.wait() is not None
    os.close(full)


def test_output_to_a_file_arrives_whole_and_in_its_order(tmp_path: Path) -> None:
    with (tmp_path / "output").open("wb") as file, foreground.blocked():
        streams = (0, file.fileno(), file.fileno())
        script = "head -c 1000000 /dev/zero; echo error >&2; echo output"
        assert foreground.Client((SH, "-c", script), streams=streams).wait() == 0
    assert (tmp_path / "output").read_bytes() == bytes(1_000_000) + b"error\noutput\n"


def test_waiting_ends_at_the_time_limit() -> None:
    assert run("exec sleep 60", until=time.monotonic() + 0.2) is None


def test_the_client_starts_with_no_signal_blocked_or_ignored() -> None:
    # Python ignores SIGPIPE (13) itself, and that must not reach the client. Those from 32 on are
    # not anybody's to set: the C library keeps the first of them for itself.
    script = "grep -E 'Sig(Blk|Ign)' /proc/self/status | awk '{print $2}'"
    reader, writer = os.pipe()
    with foreground.blocked():
        client = foreground.Client((SH, "-c", script), streams=(0, writer, 2))
        os.close(writer)
        assert client.wait() == 0
    masks = [int(mask, 16) & 0x7FFFFFFF for mask in os.read(reader, 100).split()]
    assert masks == [0, 0]
    os.close(reader)


def test_what_comes_before_the_command_hears_is_kept_back_for_it(tmp_path: Path) -> None:
    # A client that would die of it, until it is the command.
    script = f"sleep 0.3; trap 'exit 3' TERM; touch {tmp_path}/up; "
    script += "while :; do sleep 0.02; done"
    asked = 0

    def hears() -> bool:
        nonlocal asked
        asked += 1
        return (tmp_path / "up").exists()

    with foreground.blocked():
        client = foreground.Client((SH, "-c", script), hears=hears)
        signal.raise_signal(signal.SIGTERM)  # to this thread, which alone has it blocked
        assert client.wait(time.monotonic() + 30) == 3
    assert asked > 1
    assert client.asked_to_end == signal.SIGTERM


def test_an_engine_that_cannot_be_asked_is_not_waited_for() -> None:
    def hears() -> bool:
        raise HostError("host.timeout", "it did not end")

    with foreground.blocked():
        client = foreground.Client((SH, "-c", "exec sleep 60"), hears=hears)
        signal.raise_signal(signal.SIGTERM)
        assert client.wait(time.monotonic() + 30) == -signal.SIGTERM


def test_an_engine_that_hangs_is_asked_for_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreground, "_QUESTION", 0.2)

    def hears() -> bool:
        return process.run(("sleep", "600"), timeout=100).status == 0

    with foreground.blocked():
        client = foreground.Client((SH, "-c", "exec sleep 60"), hears=hears)
        signal.raise_signal(signal.SIGTERM)
        assert client.wait(time.monotonic() + 30) == -signal.SIGTERM


def test_the_engine_is_asked_a_few_times_a_second() -> None:
    asked = 0

    def hears() -> bool:
        nonlocal asked
        asked += 1
        process.run(("true",), timeout=10)  # its end is a signal as well
        return False

    with foreground.blocked():
        client = foreground.Client((SH, "-c", "sleep 1"), hears=hears)
        signal.raise_signal(signal.SIGTERM)
        client.wait(time.monotonic() + 30)
    assert 1 <= asked <= 22


def test_what_never_hears_is_told_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreground, "_DEAF", 0.2)
    with foreground.blocked():
        client = foreground.Client((SH, "-c", "exec sleep 60"), hears=lambda: False)
        signal.raise_signal(signal.SIGTERM)  # to this thread, which alone has it blocked
        assert client.wait(time.monotonic() + 30) == -signal.SIGTERM


def parent(script: str, grace: float = 60) -> subprocess.Popen[str]:
    argv = (sys.executable, "-c", PARENT, script, str(grace))
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2"])
def test_a_signal_to_us_alone_is_handed_on(name: str) -> None:
    script = f"trap 'echo got; exit 3' {name}; echo up; while :; do sleep 0.05; done"
    with parent(script) as going:
        assert going.stdout is not None
        assert going.stdout.readline() == "up\n"
        going.send_signal(signal.Signals[f"SIG{name}"])
        assert going.stdout.read() == "got\nstatus 3\n"


def test_who_does_not_listen_is_given_up_after_the_grace() -> None:
    script = "trap '' TERM; echo up; while :; do sleep 0.05; done"
    with parent(script, grace=0.3) as going:
        assert going.stdout is not None
        assert going.stdout.readline() == "up\n"
        going.terminate()
        assert going.stdout.readline() == "status None\n"


def test_a_parent_that_is_killed_takes_the_client_along(tmp_path: Path) -> None:
    script = f"trap 'touch {tmp_path}/told; exit' TERM; echo up; while :; do sleep 0.05; done"
    with parent(script) as going:
        assert going.stdout is not None
        assert going.stdout.readline() == "up\n"
        going.kill()
    end = time.monotonic() + 20
    while not (tmp_path / "told").exists():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_no_signal_that_was_for_the_client_is_left_for_us() -> None:
    with foreground.blocked():
        client = foreground.Client((SH, "-c", "exit 0"))
        while client.wait() is None:
            pass
        signal.raise_signal(signal.SIGUSR1)  # would end us, were it not for `blocked`
    assert signal.SIGUSR1 not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_the_end_of_input_is_held_back_until_it_is_heard() -> None:
    source, sink = os.pipe()
    heard = [False]
    relay = Relay(source, lambda: heard[0])
    copy = os.dup(relay.reader)
    relay.start()
    data = os.urandom(200_000)
    writer = os.fork()
    if writer == 0:
        os.write(sink, data)
        os._exit(0)
    os.close(sink)
    got = b""
    while len(got) < len(data):
        got += os.read(copy, 1 << 16)
    assert got == data
    os.set_blocking(copy, False)
    with pytest.raises(BlockingIOError):
        os.read(copy, 1)
    heard[0] = True
    os.set_blocking(copy, True)
    assert os.read(copy, 1) == b""
    os.waitpid(writer, 0)
    for descriptor in (source, copy):
        os.close(descriptor)
