# SPDX-License-Identifier: Apache-2.0
"""What a command finds that was entered without SSH; a process of ours stands for the container."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces are joined by root"),
]
SCRIPT = """
import sys
from launcher import enter
from launcher.proc import Process
enter.execute(Process.of(int(sys.argv[1])), tuple(sys.argv[2:]), uid=70_000)
"""


def entered(*argv: str) -> subprocess.CompletedProcess[str]:
    container = subprocess.Popen(("unshare", "--mount", "cat"), stdin=subprocess.PIPE)
    with container:
        whole = (sys.executable, "-c", SCRIPT, str(container.pid), *argv)
        done = subprocess.run(whole, capture_output=True, text=True, timeout=60, check=False)
        container.kill()
    return done


def test_a_command_whose_reader_leaves_ends_without_a_word() -> None:
    done = entered("sh", "-c", "yes | head -1")
    assert (done.stdout, done.stderr) == ("y\n", "")


def test_a_terminal_that_the_image_does_not_describe_is_taken_for_a_common_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for kind, taken_for in (("no-such", "xterm-256color"), ("tmux-such", "screen-256color")):
        monkeypatch.setenv("TERM", kind)
        assert entered("sh", "-c", "echo $TERM").stdout == f"{taken_for}\n"


def test_whoever_has_not_logged_in_is_known_to_the_audit_log_by_the_accounts_number() -> None:
    ours = Path("/proc/self/loginuid").read_text()
    assert entered("cat", "/proc/self/loginuid").stdout == (
        "70000" if ours == str(2**32 - 1) else ours
    )


def test_a_command_ignores_none_of_the_signals_that_python_does() -> None:
    done = entered("grep", "SigIgn", "/proc/self/status")
    ignored = int(done.stdout.split()[1], 16)
    assert not [n for n in (signal.SIGPIPE, signal.SIGXFSZ) if ignored >> (n - 1) & 1]
