# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from admin_image import hostsh


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], (False, [], False)),
        (["ls", "-l", "--help"], (False, ["ls", "-l", "--help"], False)),
        (["--read-only"], (True, [], False)),
        (["--read-only", "ls", "--read-only"], (True, ["ls", "--read-only"], False)),
        (["--", "--read-only"], (False, ["--read-only"], False)),
        (["--read-only", "--", "-x", "--"], (True, ["-x", "--"], False)),
        (["-h"], (False, [], True)),
        (["--read-only", "--help"], (True, [], True)),
        (["-"], (False, ["-"], False)),
        ([""], (False, [""], False)),
    ],
    ids=repr,
)
def test_options_end_where_the_command_begins(
    arguments: list[str], expected: tuple[bool, list[str], bool]
) -> None:
    assert expected[1:] == hostsh.parse(arguments)[1:]
    assert expected[0] == hostsh.parse(arguments)[0] or expected[2]


@pytest.mark.parametrize("word", ["-x", "--readonly", "--read-only=1"])
def test_an_unknown_option_is_named(word: str) -> None:
    with pytest.raises(hostsh.UsageError, match=word):
        hostsh.parse([word, "ls"])


def test_the_environment_is_the_hosts_and_the_terminals_kind() -> None:
    ours = {
        "TERM": "xterm",
        "HOST": "/host",
        "PATH": "/container",
        "SSH_CONNECTION": "x",
        "LD_LIBRARY_PATH": "/x",
    }
    made = hostsh.environment_for(ours, "/proc/7/root")
    assert made["TERM"] == "xterm"
    assert made["PATH"].startswith("/usr/local/sbin:")
    assert made["SHELL"] == "/proc/7/root/usr/bin/bash-static"
    assert not {"HOST", "SSH_CONNECTION", "LD_LIBRARY_PATH"} & made.keys()


def test_it_loads_next_to_nothing_before_it_enters() -> None:
    code = (
        "import sys; before = set(sys.modules); import admin_image.hostsh, hostview.kernel;"
        "print(*set(sys.modules) - before)"
    )
    root = Path(hostsh.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        timeout=30,
    )
    heavy = {
        "json",
        "dataclasses",
        "subprocess",
        "re",
        "enum",
        "typing",
        "pathlib",
        "signal",
        "inspect",
    }
    assert not heavy & set(done.stdout.split()) - {"typing", "re", "enum"}


def test_it_does_not_enter_its_own_namespaces() -> None:
    with pytest.raises(OSError, match="host already"):
        hostsh._stayer(int(Path("/proc/self").readlink().name))
