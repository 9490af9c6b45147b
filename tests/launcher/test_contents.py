# SPDX-License-Identifier: Apache-2.0
"""What containerd stores under a digest: from its store, where the digest proves it, or by ctr."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from launcher.runtimes import contents
from launcher.runtimes.contents import Contents
from launcher.runtimes.ctr import Ctr

if TYPE_CHECKING:
    from pathlib import Path

STORED = b'{"from": "store"}'
DIGEST = f"sha256:{hashlib.sha256(STORED).hexdigest()}"


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Contents:
    """Of a containerd whose client is a script that says who answered."""
    monkeypatch.setattr(contents, "DATA", tmp_path)
    script = tmp_path / "ctr"
    script.write_text('#!/bin/sh\necho \'{"from": "ctr"}\'\n')
    script.chmod(0o755)
    return Contents(Ctr(str(script), "/run/cd/containerd.sock", "test"))


def store(tmp_path: Path, content: bytes) -> None:
    blobs = tmp_path / "cd/io.containerd.content.v1.content/blobs/sha256"
    blobs.mkdir(parents=True)
    (blobs / DIGEST.partition(":")[2]).write_bytes(content)


def test_what_the_digest_proves_is_read_without_a_question(asked: Contents, tmp_path: Path) -> None:
    store(tmp_path, STORED)
    assert asked.read(DIGEST) == {"from": "store"}


def test_what_has_another_digest_is_not_believed(asked: Contents, tmp_path: Path) -> None:
    store(tmp_path, b'{"from": "somebody"}')
    assert asked.read(DIGEST) == {"from": "ctr"}


@pytest.mark.parametrize("digest", [DIGEST, "sha256:../../../x", "sha512:ab", "x"])
def test_what_is_not_in_the_usual_place_is_asked_for(asked: Contents, digest: str) -> None:
    assert asked.read(digest) == {"from": "ctr"}
