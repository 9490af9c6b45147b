# SPDX-License-Identifier: Apache-2.0
"""`admin shell` and `admin exec` on a terminal: as if one sat in the container."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.engine.door import PROGRAM, DoorCommand

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.engine,
    pytest.mark.parametrize("engine", ["podman"], indirect=True),
]

PROMPT = r"\[root@admin:\S+ ~\]# "


def spawn(*arguments: str) -> pexpect.spawn[str]:
    return pexpect.spawn(
        PROGRAM, ["admin", *arguments], encoding="utf-8", timeout=30, dimensions=(33, 101)
    )


@pytest.fixture
def shell(opened: DoorCommand) -> Iterator[pexpect.spawn[str]]:
    child = spawn("shell")
    child.expect(PROMPT)
    yield child
    child.close(force=True)


def started(terminal: pexpect.spawn[str], command: str) -> None:
    """Returns when the command has the terminal: a key pressed earlier would be the shell's."""
    terminal.sendline(f"echo going $((1+1)); {command}")
    terminal.expect(r"going 2\s")
    end = time.monotonic() + 30
    while _in_front(terminal) != command.split(maxsplit=1)[0]:
        assert time.monotonic() < end
        time.sleep(0.02)


def _in_front(terminal: pexpect.spawn[str]) -> str:
    """The program that the terminal's keys signal: the shell, until the command has its place."""
    return Path(f"/proc/{os.tcgetpgrp(terminal.child_fd)}/comm").read_text().strip()


def test_the_shell_is_roots_in_the_container_on_this_very_terminal(
    shell: pexpect.spawn[str],
) -> None:
    shell.sendline("id -u; echo $HOST $container; tty")
    shell.expect(r"0\s+/host hatchway\s+(?:/dev/\S+|not a tty)")
    assert not re.search("cannot set terminal process group|no job control", str(shell.before))


def test_the_shell_follows_the_size_of_the_window(shell: pexpect.spawn[str]) -> None:
    shell.sendline("stty size")
    shell.expect(r"33 101\s")
    shell.setwinsize(40, 120)
    shell.sendline("stty size")
    shell.expect(r"40 120\s")


def test_the_shell_controls_its_jobs(shell: pexpect.spawn[str]) -> None:
    started(shell, "sleep 100")
    shell.sendcontrol("z")
    shell.expect("Stopped")
    shell.sendline("bg; jobs")
    shell.expect(r"Running\s+sleep 100")
    shell.sendline("kill %1; wait; echo gone $((1+1))")
    shell.expect("gone 2")


def test_an_interrupt_ends_the_shells_command_and_not_the_shell(shell: pexpect.spawn[str]) -> None:
    started(shell, "sleep 100")
    shell.sendcontrol("c")
    shell.expect(PROMPT)
    shell.sendline("echo status $?; exit 7")
    shell.expect("status 130")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 7


def test_an_interrupt_is_the_commands_own_to_handle(opened: DoorCommand) -> None:
    child = spawn(
        "exec", "sh", "-c", "trap 'echo caught; exit 9' INT; echo ready; sleep 100 & wait"
    )
    child.expect("ready")
    child.sendcontrol("c")
    child.expect("caught")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 9


def test_a_terminal_that_is_lost_ends_the_command(opened: DoorCommand) -> None:
    child = spawn("exec", "sh", "-c", "echo pid=$$.; exec sleep 600")
    child.expect(r"pid=(\d+)\.")
    assert isinstance(child.match, re.Match)
    pid = int(child.match[1])
    assert pid == child.pid
    os.close(child.child_fd)
    child.closed = True
    end = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and not os.waitpid(pid, os.WNOHANG)[0]:
        assert time.monotonic() < end
        time.sleep(0.05)
