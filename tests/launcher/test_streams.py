# SPDX-License-Identifier: Apache-2.0
"""Standard streams that are closed, broken or full; a small program stands for podman."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.launcher.small_images import make_image
from tests.launcher.test_archive import written
from tests.launcher.test_command_line import PROGRAM

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = make_image((b"one",))
NAME = "localhost/one:1"
PODMAN = f"""#!/bin/sh
case "$*" in
*"image load"*) cat > /dev/null ;;
*"image inspect"*) echo '[{{"Id": "{IMAGE.config_digest}", "Config": {{}}}}]' ;;
*"info --format"*) echo /var/lib ;;
*) exit 1 ;;
esac
"""
# Nothing of this machine is seen or changed: neither a door nor an engine.
APART = "for place in /run /var/lib /var/log /etc/systemd; do mount -t tmpfs none $place; done; "

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts are root's"),
]


class Shell:
    """A shell with files to name: `$HATCHWAY`, `$ARCHIVE` and `$KEY`."""

    def __init__(self, place: Path, key: Path) -> None:
        podman = place / "podman"
        podman.write_text(PODMAN)
        podman.chmod(0o755)
        archive = place / "one.tar"
        archive.write_bytes(written(IMAGE, NAME))
        self._environment = {
            "PATH": f"{place}:/usr/sbin:/usr/bin:/sbin:/bin", "HATCHWAY": PROGRAM,
            "ARCHIVE": str(archive), "KEY": f"{key}.pub",
        }  # fmt: skip

    def __call__(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ("unshare", "--mount", "--propagation=private", "bash", "-c", APART + script),
            env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip


@pytest.fixture
def shell(tmp_path: Path, ssh_key: Path) -> Shell:
    return Shell(tmp_path, ssh_key)


LOAD = "$HATCHWAY image load $ARCHIVE --runtime podman"


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
@pytest.mark.parametrize("quiet", ["", "--quiet"])
def test_what_is_done_is_done_though_its_answer_finds_a_full_disk(
    shell: Shell, form: str, quiet: str
) -> None:
    done = shell(f"{LOAD} --output {form} {quiet} > /dev/full; echo $?")
    assert done.stdout == "0\n"
    assert "it is done, but standard output cannot be written: No space left" in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_is_done_is_done_though_its_reader_has_gone(shell: Shell, form: str) -> None:
    done = shell(f"{LOAD} --output {form} | true; echo ${{PIPESTATUS[0]}}")
    assert done.stdout == "0\n"
    assert "Exception" not in done.stderr


@pytest.mark.parametrize("broken", ["2>&-", "2>/dev/full", "1>&-", "<&- >&- 2>&-"])
def test_what_is_done_needs_no_stream(shell: Shell, broken: str) -> None:
    assert shell(f"({LOAD} {broken}); echo $?").stdout.endswith("0\n")


def test_progress_may_go_unread(shell: Shell) -> None:
    done = shell(f"({LOAD} --output jsonl; echo $? >&3) 3>&1 2> >(true)")
    assert done.stdout.endswith("}\n0\n")


def test_a_closed_standard_input_is_an_empty_one(shell: Shell) -> None:
    done = shell("$HATCHWAY image load - --runtime podman --output json <&-")
    assert json.loads(done.stdout)["error"]["code"] == "image.archive"
    done = shell("$HATCHWAY admin start --key-file - --output json <&-")
    assert json.loads(done.stdout)["error"]["code"] == "keys.none"


def test_a_closed_standard_error_hides_no_reason(shell: Shell) -> None:
    start = "$HATCHWAY admin start --key-file $KEY --runtime docker --output json"
    done = shell(f"{start} 2>&-")
    assert json.loads(done.stdout)["error"]["code"] == "runtime.down"
    assert not done.stderr


def test_an_error_that_finds_a_full_disk_is_told_on_standard_error(shell: Shell) -> None:
    done = shell("$HATCHWAY admin start --no-such-flag --output json > /dev/full; echo $?")
    assert done.stdout == "64\n"
    assert "[usage.invalid]" in done.stderr


def test_what_only_prints_fails_when_it_cannot(shell: Shell) -> None:
    done = shell("$HATCHWAY admin status --output json > /dev/full; echo $?")
    assert done.stdout == "1\n"
    assert done.stderr == "hatchway: standard output cannot be written: No space left on device\n"
