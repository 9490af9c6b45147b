# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from launcher import process
from launcher.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.realtime


def test_output_and_status_come_back() -> None:
    done = process.run(("sh", "-c", "echo out; echo why >&2; exit 3"), timeout=10, check=False)
    assert (done.status, done.text(), done.complaint()) == (3, "out\n", "why")


def test_a_signal_is_a_status_as_a_shell_gives_it() -> None:
    assert process.run(("sh", "-c", "kill -9 $$"), timeout=10, check=False).status == 137


def test_a_failure_is_an_error_that_says_the_last_line() -> None:
    with pytest.raises(HostError, match="sh failed with status 1: no luck"):
        process.run(("sh", "-c", "echo no luck >&2; exit 1"), timeout=10)


def test_a_missing_program_is_an_error() -> None:
    with pytest.raises(HostError, match="No such file") as caught:
        process.run(("/no/such/program",), timeout=10)
    assert caught.value.code == "host.program"


def test_a_program_that_hangs_is_ended() -> None:
    start = time.monotonic()
    with pytest.raises(HostError) as caught:
        process.run(("sleep", "60"), timeout=0.1)
    assert caught.value.code == "host.timeout"
    assert time.monotonic() - start < 30


def test_standard_input_is_empty_unless_given() -> None:
    assert process.run(("cat",), timeout=10).stdout == b""
    assert process.run(("cat",), timeout=10, stdin=b"x").stdout == b"x"


def test_chunks_flow_through_whatever_their_number() -> None:
    chunks = (bytes(65536) for _ in range(64))
    assert len(process.run(("cat",), timeout=30, stdin=chunks).stdout) == 64 * 65536


def test_a_source_that_fails_does_not_look_like_an_end() -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise HostError("host.disk-full", "no space")

    with pytest.raises(HostError, match="no space"):
        process.run(("cat",), timeout=10, stdin=broken())


def test_a_program_that_ends_before_it_has_read_all_is_no_traceback() -> None:
    chunks = (bytes(65536) for _ in range(64))
    assert process.run(("false",), timeout=10, stdin=chunks, check=False).status == 1


def test_no_child_inherits_the_library_path_or_what_is_not_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/hatchway/_internal")
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    said = process.run(("env",), timeout=10).text()
    assert "LD_LIBRARY_PATH" not in said
    assert "s3cret" not in said


def test_a_descendant_that_keeps_the_output_open_is_not_waited_for_beyond_the_limit(
    tmp_path: Path,
) -> None:
    script = f"sleep 60 & echo $! > {tmp_path}/pid; cat >/dev/null"
    with pytest.raises(HostError, match="did not end"):
        process.run(("sh", "-c", script), timeout=1, stdin=iter([b"input"]))
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
