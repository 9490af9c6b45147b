# SPDX-License-Identifier: Apache-2.0
"""Files that an engine puts over the host's own: in a mount namespace of the test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bootstrap_image.spec import Exit, Job
from tests.bootstrap_image import namespace
from tests.bootstrap_image.run import Run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = namespace.root

# A host, its view, and its /etc; `resolv.conf` is a link, as where systemd-resolved runs.
HOST = """
mount -t tmpfs --make-private host "$1/real" && mkdir "$1/real/etc" "$1/real/run"
echo own | tee "$1/real/etc/hosts" > "$1/real/run/stub"
ln -s ../run/stub "$1/real/etc/resolv.conf"
mount --bind "$1/real/etc" /etc && mount --bind "$1/real/run" /run
echo copy > "$1/copy"
"""
VIEW = """
mount --rbind "$1/real" "$1/view" && mount -o remount,bind,ro "$1/view"
"""
# As docker and podman do, the latter also more than once.
ENGINE = """
mount --bind "$1/copy" /etc/hosts && mount --bind "$1/copy" /etc/hosts
mount --bind "$1/copy" /run/stub
"""
SCRIPT = """\
#!/bin/sh
echo more >> /etc/hosts && echo more >> /etc/resolv.conf
cat {at}/real/etc/hosts {at}/real/run/stub {at}/copy
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    for name in ("real", "view"):
        (tmp_path / name).mkdir()
    run = Run(tmp_path)
    run.places["host"] = f"{tmp_path}/view"
    run.write(Job("a", "user-data/a"), a=SCRIPT.format(at=tmp_path))
    return run


def test_what_is_written_to_a_file_that_the_engine_covered_is_the_hosts(run: Run) -> None:
    run.before = namespace.before(HOST + VIEW + ENGINE, str(run.place))
    assert run.run() == Exit.DONE, run.log()
    assert run.records()[0].last_lines == ("own", "more", "own", "more", "copy")


def test_a_file_that_the_host_itself_covered_stays_so(run: Run) -> None:
    own = 'mount --bind "$1/copy" "$1/real/etc/hosts" && mount --bind "$1/copy" /etc/hosts\n'
    run.before = namespace.before(HOST + own + VIEW, str(run.place))
    assert run.run() == Exit.DONE, run.log()
    assert run.records()[0].last_lines == ("copy", "more", "own", "more", "copy", "more")
