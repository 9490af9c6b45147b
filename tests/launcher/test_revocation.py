# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from launcher.keys import revocation

if TYPE_CHECKING:
    from pathlib import Path

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJZCxlISn3F+WI/oYkaQ7JvbGFlDcBmrCWlGetJgB/QK"


@pytest.fixture
def krl(tmp_path: Path) -> bytes:
    """One with all that ssh-keygen puts into one: a key, its digest, serial numbers and an id."""
    (tmp_path / "key.pub").write_text(f"{KEY}\n")
    lines = ("serial: 7", "serial: 9-20", "id: someone", f"key: {KEY}", f"sha256: {KEY}")
    (tmp_path / "wanted").write_text("\n".join(lines) + "\n")
    where = ("-f", str(tmp_path / "krl"), "-s", str(tmp_path / "key.pub"))
    subprocess.run(("ssh-keygen", "-q", "-k", *where, str(tmp_path / "wanted")), check=True)
    return (tmp_path / "krl").read_bytes()


def test_a_krl_of_ssh_keygen_is_whole_and_no_part_of_it_is(krl: bytes) -> None:
    assert revocation.problem(krl) == ""
    cuts = {size: revocation.problem(krl[:size]) for size in range(12, len(krl))}
    # Where a section ends, nothing tells that another one should follow.
    assert sum(not problem for problem in cuts.values()) <= 4
    assert "was it cut?" in cuts[len(krl) - 1]


def test_a_list_names_keys_and_its_comments_do_not_count() -> None:
    data = f"# gone\n\n{KEY} stolen\n".encode()
    assert revocation.problem(data) == ""
    assert revocation.blobs(data) == {KEY.split()[1]}
    assert revocation.problem(b"") == ""


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("SHA256:YHrMl/2HyoytwRObGNpn2WnmzoMvm6pYsK2iBOGaROw", "no public key"),
        (f"restrict {KEY}", "a revoked key has no options"),
        (KEY[:-4], "damaged"),
    ],
)
def test_a_line_that_sshd_would_pass_over_revokes_nothing_and_is_told(
    line: str, reason: str
) -> None:
    problem = revocation.problem(f"{KEY}\n{line}\n".encode())
    assert problem.startswith("line 2: ")
    assert reason in problem
