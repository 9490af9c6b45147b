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
ARGUMENTS = ("--api-version", "1", "-c", ID, "-u", ID, "-r", "/usr/bin/runc", "-n", "a-test")
# The last ones are for what it starts at the end, and say nothing of itself.
MORE = ("--exit-command-arg", "-n", "--exit-command-arg", "-c")


@contextlib.contextmanager
def monitor(
    directory: Path, *before: str, arguments: tuple[str, ...] = ARGUMENTS
) -> Iterator[None]:
    """A shell by the name of conmon, that waits."""
    program = shutil.copy("/bin/bash", directory / "conmon")
    argv = (*before, program, "/dev/stdin", *arguments, *MORE)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(b"echo; read -r\n")
        child.stdin.flush()
        child.stdout.readline()
        yield
        child.stdin.close()


def test_a_monitor_is_found_with_its_container(tmp_path: Path) -> None:
    with monitor(tmp_path):
        assert Monitor(ID, "a-test", "/usr/bin/runc") in conmon.running()
    assert "a-test" not in {each.name for each in conmon.running()}


def test_what_names_no_container_is_none(tmp_path: Path) -> None:
    odd = ("-c", "../../etc", "-r", "/usr/bin/runc", "-n", "a-test")
    with monitor(tmp_path, arguments=odd):
        assert "a-test" not in {each.name for each in conmon.running()}


@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces")
def test_what_calls_itself_so_in_a_container_is_not_believed(tmp_path: Path) -> None:
    with monitor(tmp_path, "unshare", "--mount"):
        assert "a-test" not in {each.name for each in conmon.running()}
