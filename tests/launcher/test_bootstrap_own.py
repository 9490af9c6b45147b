# SPDX-License-Identifier: Apache-2.0
"""What a bootstrap container of the user's own image is to be; `tests/engine` runs some."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bootstrap_image import spec
from launcher.bootstrap import batches, capture, own
from launcher.bootstrap.capture import Capture
from launcher.profiles import bootstrap, own_image
from launcher.runtimes.base import Image
from launcher.settings import Bootstrap, BootstrapSettings, Settings
from launcher.sources.base import NONE
from tests.launcher.test_profiles import HOST

if TYPE_CHECKING:
    from launcher.plan import Plan

IMAGE = Image("own:1", "sha256:1")
OURS = Image("ours:1", "sha256:2", "", {spec.CONTRACT_LABEL: "1"})


def planned(**jobs: Bootstrap) -> tuple[batches.Batch, ...]:
    return batches.plan(
        Settings(bootstrap=BootstrapSettings(source="none"), bootstrap_containers=jobs), NONE
    )


def plan(*command: str) -> Plan:
    return own_image.plan(
        IMAGE, HOST, name="setup", kept=Path("/var/lib/kept"), command=command,
        environment={"INSTANCE_ID": "i-1"}, memory=1 << 30, cpus=1.0, pids=100,
    )  # fmt: skip


def test_an_image_without_our_label_runs_by_itself_and_ours_with_a_command_too() -> None:
    plain = Bootstrap(source="a:1", mode="once")
    (bare,) = planned(a=plain)
    (commanded,) = planned(a=Bootstrap(source="a:1", mode="once", command=["/x"]))
    assert own.is_own(bare, IMAGE)
    assert not own.is_own(bare, OURS)
    assert own.is_own(commanded, OURS)


def test_jobs_with_a_command_share_no_container_with_those_without() -> None:
    found = planned(
        a=Bootstrap(source="a:1", mode="once", command=["/x", "-v"]),
        b=Bootstrap(source="a:1", mode="once"),
    )
    assert [(batch.jobs[0].name, batch.commands) for batch in found] == [
        ("a", {"a": ("/x", "-v")}),
        ("b", {}),
    ]


def test_it_finds_what_bottlerockets_containers_find() -> None:
    mounts = {mount.target: mount for mount in plan().mounts}
    rootfs = mounts["/.bottlerocket/rootfs"]
    assert (rootfs.source, rootfs.read_only) == ("/", True)
    for name in ("setup", "current"):
        own_place = mounts[f"/.bottlerocket/bootstrap-containers/{name}"]
        assert (own_place.source, own_place.read_only) == ("/var/lib/kept", False)
    assert mounts["/.bottlerocket/rootfs/mnt"].propagation == "rshared"
    assert not {"/etc", "/var", "/usr"} & mounts.keys()


def test_it_has_the_rights_of_the_bootstrap_container_and_its_own_command() -> None:
    scripts = bootstrap.plan(IMAGE, HOST, memory=1 << 30, cpus=1.0, pids=100)
    assert plan().capabilities == scripts.capabilities
    assert plan("/x", "-v").command == ("/x", "-v")
    assert plan().environment["INSTANCE_ID"] == "i-1"


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(spec, "LOG_FILE", str(tmp_path / "log" / "file"))
    return []


def test_lines_are_shown_and_logged_whole_however_they_come(shown: list[str]) -> None:
    taken = Capture("x/container", shown.append)
    for piece in (b"on", b"e\ntw", b"o\nthree"):
        taken.feed(piece)
    taken.close()
    assert shown == ["x/container: one", "x/container: two", "x/container: three"]
    assert Path(spec.LOG_FILE).read_text().splitlines() == shown
    assert taken.last_lines == ("one", "two", "three")


def test_only_the_last_lines_are_kept_without_control_characters(shown: list[str]) -> None:
    taken = Capture("x", shown.append)
    taken.feed(b"".join(b"%d \x1b[31m\n" % number for number in range(100)))
    assert len(taken.last_lines) == capture.KEPT
    assert taken.last_lines[-1] == "99 ?[31m"


def test_one_that_prints_for_ever_fills_no_disk(shown: list[str]) -> None:
    taken = Capture("x", shown.append)
    for _ in range(2 * capture.LIMIT // 65536):
        taken.feed(b"y" * 65535 + b"\n")
    taken.feed(b"the end\n")
    assert Path(spec.LOG_FILE).stat().st_size < 2 * capture.LIMIT
    assert "prints too much" in shown[-1]
    assert taken.last_lines[-1] == "the end"
