# SPDX-License-Identifier: Apache-2.0
"""Why a program of an image does not run, with links that try to lead out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from launcher.runtimes import lookup

if TYPE_CHECKING:
    from pathlib import Path

SEARCH = "/usr/local/bin:/usr/bin:/bin"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "usr" / "bin").mkdir(parents=True)
    (tmp_path / "bin").symlink_to("usr/bin")
    (tmp_path / "usr" / "bin" / "tool").write_text("")
    (tmp_path / "usr" / "bin" / "tool").chmod(0o755)
    (tmp_path / "usr" / "bin" / "text").write_text("")
    (tmp_path / "usr" / "bin" / "link").symlink_to("/usr/bin/tool")
    (tmp_path / "usr" / "bin" / "out").symlink_to("../../../../../../../../../../bin/sh")
    (tmp_path / "usr" / "bin" / "circle").symlink_to("circle")
    (tmp_path / "usr" / "bin" / "dangling").symlink_to("/nowhere")
    return tmp_path


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("tool", 125), ("/bin/tool", 125), ("/usr/../bin/tool", 125), ("link", 125),
        ("/bin/link", 125), ("text", 126), ("/bin", 126), ("/usr", 126), ("none", 127),
        ("/none", 127), ("out", 127), ("circle", 127), ("dangling", 127), ("/bin/tool/x", 127),
    ],
)  # fmt: skip
def test_what_a_shell_would_say(root: Path, program: str, status: int) -> None:
    assert lookup.blame(root, program, SEARCH) == status
