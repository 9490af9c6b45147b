# SPDX-License-Identifier: Apache-2.0
"""An image goes to a client with docker's command line; small programs stand for such clients."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from launcher.errors import HatchwayError
from launcher.runtimes.whales import Whales

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def client(directory: Path, script: str) -> Whales:
    program = directory / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Whales("docker", str(program), ("--host=unix:///x",))


def archive() -> Iterator[bytes]:
    for _ in range(64):
        yield os.urandom(65536)


def test_an_archive_arrives_whole_and_silently(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    script = f'echo "$*"; echo loading >&2; cat > {tmp_path}/came'
    client(tmp_path, script).load_image([b"one", b"two"], timeout=20)
    assert (tmp_path / "came").read_bytes() == b"onetwo"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Error processing tar file(exit status 1): write /layer: no space left on device",
         "host.disk-full"),
        ("Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?",
         "runtime.down"),
        ("invalid tar header", "image.archive"),
    ],
)  # fmt: skip
def test_a_client_that_ends_early_is_an_error_with_what_it_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], said: str, code: str
) -> None:
    engine = client(tmp_path, f"head -c 1000 > /dev/null; echo '{said}' >&2; exit 1")
    with pytest.raises(HatchwayError) as caught:
        engine.load_image(archive(), timeout=20)
    assert caught.value.code == code
    assert said in caught.value.message + caught.value.hint
    assert capfd.readouterr() == ("", "")


def test_a_client_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(HatchwayError) as caught:
        client(tmp_path, "exec sleep 60").load_image(archive(), timeout=0.5)
    assert caught.value.code == "runtime.timeout"
