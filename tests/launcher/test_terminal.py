# SPDX-License-Identifier: Apache-2.0
"""No command lets anybody's name or line command the terminal on which it is read."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from launcher import escape
from launcher.cli import main
from tests.bootstrap_image import namespace
from tests.launcher.planted import COMMANDS, EVIL, RAW
from tests.launcher.test_architecture import MODULES, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN_PLACES = "for place in /run /var/lib /var/log; do mount -t tmpfs tmpfs $place; done"
# What else there is: it asks an engine, or becomes another program, or prints only words of ours.
# That its lines are shown as well is seen to by the test of the one way to a stream.
OTHERS = {
    "admin stop", "admin restart", "admin exec", "admin shell", "bootstrap run", "image pull",
    "image load", "toolbox run", "toolbox enter", "toolbox work", "install", "uninstall",
}  # fmt: skip


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    """What each command has said on a terminal, one character a byte."""
    argv = (*namespace.before(OWN_PLACES), sys.executable, "-m", "tests.launcher.planted")
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.engine
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts are root's")
def test_a_command_shows_what_would_command_the_terminal(said: dict[str, str], name: str) -> None:
    text = said[name].encode("latin-1").decode()  # no byte is left that is no text
    lines = text.split("\r\n")
    assert [line for line in lines if escape.line(line) != line] == []
    assert "\\x1b]" in text or "\\u001b]" in text
    if name == "doctor":
        assert "\\x1b]0;evil\\x07" in text  # by the process's name


@pytest.mark.engine
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts are root's")
def test_a_piped_log_is_what_was_written() -> None:
    script = 'mkdir -p /var/log/hatchway; cat > /var/log/hatchway/admin.log; "$@"'
    program = (sys.executable, "-m", "launcher.cli.main")
    written = b"one \x0b\x1c\xe2\x80\xa8 two\r\n" + RAW + b"\n" + EVIL.encode() + b"\n"
    argv = (*namespace.before(f"{OWN_PLACES}\n{script}\nexit"), *program, "admin", "logs")
    done = subprocess.run(argv, input=written, cwd=ROOT, capture_output=True, check=True)
    assert done.stdout == written


def test_every_command_is_in_the_table_or_known_to_print_nothing_of_others() -> None:
    known = {name.partition(",")[0] for name in COMMANDS} | OTHERS
    assert set(_commands()) - known == set()


def _commands() -> Iterator[str]:
    main._add_commands("")
    for group in main.GROUPS:
        for command in import_module(f"launcher.cli.{group}").app.registered_commands:
            yield f"{group} {_name(command)}"
    yield from map(_name, main.app.registered_commands)


def _name(command: Any) -> str:
    name: str = command.name or command.callback.__name__
    return name


def test_every_line_that_is_printed_passes_the_one_place() -> None:
    guilty = [
        f"{name}:{node.lineno}"
        for name, path in MODULES.items()
        if name.startswith(("launcher", "toolbox")) and name != "launcher.streams"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and _prints(node.func)
    ]
    assert guilty == []


def _prints(function: ast.expr) -> bool:
    """`print`, typer's `echo`, and `write` of a standard stream or of its buffer."""
    if isinstance(function, ast.Name):
        return function.id == "print"
    text = ast.unparse(function)
    return text in ("typer.echo", "typer.secho") or (
        text.startswith(("sys.stdout", "sys.stderr")) and text.endswith("write")
    )
