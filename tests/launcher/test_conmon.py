# SPDX-License-Identifier: Apache-2.0
"""Monitors are known by their name and by where they were started, not by what they say."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from launcher.runtimes import conmon
from launcher.runtimes.conmon import Monitor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ID = "0123456789abcdef" * 4
# The last ones are for what it starts at the end, and say nothing of itself.
MORE = ("--exit-command-arg", "-n", "--exit-command-arg", "-c")


@contextlib.contextmanager
def monitor(directory: Path, *before: str, container: str = ID) -> Iterator[None]:
    """A shell by the name of conmon, that waits; its container is called as the directory."""
    arguments = ("--api-version", "1", "-c", container, "-u", container, "-n", directory.name)
    program = shutil.copy("/bin/bash", directory / "conmon")
    argv = (*before, program, "-p", "/dev/stdin", *arguments, *MORE)  # -p: as who it is
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(b"echo; read -r\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"\n"
        yield
        child.stdin.close()


def test_a_monitor_is_found_with_its_container(tmp_path: Path) -> None:
    with monitor(tmp_path):
        assert Monitor(ID, tmp_path.name) in conmon.running()
    assert tmp_path.name not in {each.name for each in conmon.running()}


def test_what_names_no_container_is_none(tmp_path: Path) -> None:
    with monitor(tmp_path, container="../../etc"):
        assert tmp_path.name not in {each.name for each in conmon.running()}


root = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces, setuid")


@root
def test_what_calls_itself_so_in_a_container_is_not_believed(tmp_path: Path) -> None:
    with monitor(tmp_path, "unshare", "--mount"):
        assert tmp_path.name not in {each.name for each in conmon.running()}


@root
def test_a_setuid_program_that_a_user_calls_so_is_not_believed(tmp_path: Path) -> None:
    # As with su(1) and a link to it: the user who calls it is not the one it runs as.
    before = ("setpriv", "--ruid=65534", "--clear-groups")
    with monitor(tmp_path, *before):
        assert tmp_path.name not in {each.name for each in conmon.running()}


def test_names_that_are_no_text_are_in_nobodys_way(tmp_path: Path) -> None:
    program = shutil.copy("/bin/sleep", tmp_path / "odd")
    odd = os.fsencode(tmp_path) + b"/\xff\xfe"
    os.rename(program, odd)  # noqa: PTH104 - a path of bytes
    with subprocess.Popen((odd, "60")) as child:
        assert tmp_path.name not in {each.name for each in conmon.running()}
        child.kill()
