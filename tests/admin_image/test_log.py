# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from admin_image import log

if TYPE_CHECKING:
    from pathlib import Path

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ "


def logged(file: Path, script: str) -> list[str]:
    """What a process that redirects its output to `file` leaves there."""
    code = f"from admin_image import log\nlog.redirect({str(file)!r})\n{script}"
    subprocess.run((sys.executable, "-c", code), check=True)
    return file.read_text().splitlines()


def test_our_lines_and_a_childs_lines_have_their_time(tmp_path: Path) -> None:
    script = (
        "import subprocess\n"
        "log.line('hello')\n"
        "pipe = log.Pipe()\n"
        "subprocess.run(['sh', '-c', 'echo one; echo two >&2'],"
        " stdout=pipe.writer, stderr=pipe.writer)\n"
        "pipe.copy()\n"
    )
    lines = logged(tmp_path / "log", script)
    assert [re.sub(f"^{STAMP}", "", line) for line in lines] == ["hatchway: hello", "one", "two"]
    assert all(re.match(STAMP, line) for line in lines)


def test_a_line_in_two_pieces_is_one_line(tmp_path: Path) -> None:
    script = (
        "import os\n"
        "pipe = log.Pipe()\n"
        "for piece in (b'ha', b'lf\\n'):\n"
        "    os.write(pipe.writer, piece)\n"
        "    pipe.copy()\n"
    )
    (line,) = logged(tmp_path / "log", script)
    assert line.endswith("Z half")


def test_a_long_log_becomes_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(bytes(log.SIZE_LIMIT + 1))
    assert len(logged(file, "log.line('new')")) == 1
    assert (tmp_path / "log.1").stat().st_size == log.SIZE_LIMIT + 1


def test_a_log_that_grows_is_cut_while_it_is_written(tmp_path: Path) -> None:
    lines = logged(tmp_path / "log", "for _ in range(3000): log.line('x' * 1000)")
    kept = (tmp_path / "log").stat().st_size + (tmp_path / "log.1").stat().st_size
    assert kept < 2 * log.SIZE_LIMIT + 4096
    assert lines


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to(tmp_path / "target")
    code = f"from admin_image import log; log.redirect({str(tmp_path / 'log')!r})"
    done = subprocess.run((sys.executable, "-c", code), check=True, capture_output=True, text=True)
    assert "cannot keep a log" in done.stderr
    assert not os.path.lexists(tmp_path / "target")
