# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import array
import fcntl
import json
import re
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from launcher.cli import output
from launcher.cli.output import Output

PROGRAM = str(Path(sys.executable).parent / "hatchway")


def hatchway(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run((PROGRAM, *argv), capture_output=True, text=True, check=False)


def test_json_holds_no_control_character_and_no_half_of_a_pair(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.data({"a": "\x1b\x7f\x9b\udc9b\U0001f469"}, Output.JSONL)
    said = capsys.readouterr().out
    assert said == '{"a": "\\u001b\\u007f\\u009b\\ufffd\\ud83d\\udc69"}\n'
    assert json.loads(said) == {"a": "\x1b\x7f\x9b\ufffd\U0001f469"}


@pytest.mark.parametrize("argv", [(), ("admin",), ("image",)], ids=" ".join)
def test_without_a_command_there_is_help_and_the_status_of_wrong_usage(
    argv: tuple[str, ...],
) -> None:
    done = hatchway(*argv)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith("Usage: hatchway")


def test_a_typo_is_answered_with_what_was_meant() -> None:
    done = hatchway("admin", "strat")
    assert done.returncode == 64
    assert "Did you mean 'start'" in done.stderr


@pytest.mark.parametrize(
    "argv",
    [
        ("admin", "start", "--output", "json", "--no-such-flag"),
        ("admin", "start", "--output=json", "--listen", "nonsense", "--key-file", "/etc/passwd"),
        ("admin", "status", "-o", "json", "extra"),
        ("amdin", "--output", "jsonl"),
    ],
    ids=" ".join,
)
def test_an_error_is_one_json_object_when_json_is_asked_for(argv: tuple[str, ...]) -> None:
    done = hatchway(*argv)
    assert done.returncode == 64
    error = json.loads(done.stdout)["error"]
    assert set(error) == {"code", "message", "hint", "details"}


@pytest.mark.parametrize(
    "argv",
    [
        ("admin", "exec", "--tty", "ls"),
        ("admin", "exec", "-n", "3", "ls"),
        ("admin", "start", "--runtime", "lxc", "--key-file", "{key}"),
        ("admin", "stop", "--runtime", "lxc"),
    ],
    ids=" ".join,
)
def test_an_option_or_engine_that_there_is_not_is_wrong_usage(
    argv: tuple[str, ...], ssh_key: Path
) -> None:
    done = hatchway(*(word.format(key=f"{ssh_key}.pub") for word in argv))
    assert (done.returncode, "[usage.invalid]" in done.stderr) == (64, True), done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("early", [True, False], ids=["at once", "while it waits for keys"])
def test_a_command_that_a_signal_stops_says_so_in_json_where_that_is_asked_for(
    number: signal.Signals, *, early: bool
) -> None:
    argv = (PROGRAM, "admin", "start", "--key-file", "-", "--output", "json")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(b"x")
        while not (catches(child.pid) if early else is_read(child.stdin.fileno())):
            assert child.poll() is None
        child.send_signal(number)
        error = json.loads(child.stdout.read())["error"]
    assert (error["code"], error["details"]) == ("interrupted", {"signal": int(number)})
    assert child.returncode == 128 + number


def catches(pid: int) -> bool:
    """Whether a process has installed its handlers; the last is that of SIGHUP."""
    found = re.search(r"^SigCgt:\s*(\S+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return bool(int(found[1], 16) & 1 << (signal.SIGHUP - 1))


def is_read(pipe: int) -> bool:
    left = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, left)
    return not left[0]


@pytest.mark.parametrize(
    ("argv", "form"),
    [
        (["--output", "json"], Output.JSON),
        (["--output=jsonl"], Output.JSONL),
        (["-o", "json"], Output.JSON),
        (["-ojson"], Output.JSON),
        (["--output", "text"], Output.TEXT),
        (["exec", "--", "x", "--output", "json"], Output.TEXT),
        (["--user", "json"], Output.TEXT),
        ([], Output.TEXT),
    ],
)
def test_the_form_is_known_even_when_the_rest_is_wrong(argv: list[str], form: Output) -> None:
    assert form == output.asked_for(argv)


def test_a_reader_that_leaves_early_is_no_traceback() -> None:
    script = f"{PROGRAM} --help | true"
    done = subprocess.run(("sh", "-c", script), capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


@pytest.mark.parametrize("number", ["nan", "inf", "-nan", "infinity"])
@pytest.mark.parametrize(
    "argv",
    [
        ("admin", "start", "--timeout"),
        ("admin", "start", "--cpus"),
        ("toolbox", "run", "--timeout"),
        ("toolbox", "collect", "--timeout"),
    ],
    ids=" ".join,
)
def test_what_no_one_can_count_to_is_no_number(argv: tuple[str, ...], number: str) -> None:
    done = hatchway(*argv, number)
    assert (done.returncode, "usage.invalid" in done.stderr) == (64, True), done.stderr


def test_json_never_holds_what_is_no_json() -> None:
    with pytest.raises(ValueError, match="JSON"):
        output.data({"x": float("nan")}, Output.JSON)


def test_the_version_is_that_of_the_project() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert f"hatchway {project['project']['version']}\n" == hatchway("--version").stdout
