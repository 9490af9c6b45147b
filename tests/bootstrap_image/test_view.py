# SPDX-License-Identifier: Apache-2.0
"""The view of the host stays read-only while scripts mount: in a mount namespace of the test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bootstrap_image.spec import Exit, Job
from tests.bootstrap_image import namespace
from tests.bootstrap_image.make import message
from tests.bootstrap_image.run import Run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = namespace.root

# A host with a file system below its root, and the view of it that the launcher gives: a slave.
HOST = """
mount -t tmpfs --make-shared host "$1/real" && mkdir "$1/real/var" "$1/real/mnt"
mount -t tmpfs --make-shared var "$1/real/var"
mount --rbind --make-rslave "$1/real" "$1/view" && mount -o remount,bind,ro "$1/view"
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    for name in ("real", "view"):
        (tmp_path / name).mkdir()
    run = Run(tmp_path)
    run.places["host"] = f"{tmp_path}/view"
    run.before = namespace.before(HOST, str(tmp_path))
    return run


def scripts(*lines: str) -> bytes:
    return message(*(("text/x-shellscript", f"#!/bin/sh\n{line}\n".encode(), "") for line in lines))


def test_what_is_mounted_below_the_view_is_read_only_there_alone(run: Run) -> None:
    at = run.place
    run.write(Job("a", "user-data/a"), a=scripts(
        f"touch {at}/real/var/x && ls {at}/view/var/x",
        f"! touch {at}/view/var/y && ! touch {at}/view/z",
    ))  # fmt: skip
    assert run.run() == Exit.DONE, run.log()
    assert "Read-only file system" in run.log()


def test_what_a_script_mounts_on_the_host_is_read_only_in_the_view_of_the_next(run: Run) -> None:
    at = run.place
    run.write(Job("a", "user-data/a"), a=scripts(
        f"mount -t tmpfs data {at}/real/mnt && touch {at}/real/mnt/x",
        f"ls {at}/view/mnt/x && touch {at}/real/mnt/y && ! touch {at}/view/mnt/z",
    ))  # fmt: skip
    assert run.run() == Exit.DONE, run.log()
    assert f"{at}/view/mnt: mounted meanwhile, and read-only now" in run.log()


def test_nothing_runs_where_the_host_cannot_be_sealed(run: Run) -> None:
    run.places["host"] = f"{run.place}/elsewhere"
    run.write(Job("a", "user-data/a"), a=f"#!/bin/sh\ntouch {run.place}/ran\n")
    assert run.run() == Exit.FAILED
    assert "nothing is mounted at" in run.log()
    assert not (run.place / "ran").exists()
