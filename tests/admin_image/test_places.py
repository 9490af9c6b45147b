# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from admin_image import places


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for place in ("run/systemd", "var/log/journal", "etc"):
        (tmp_path / "host" / place).mkdir(parents=True)
    (tmp_path / "host/etc/resolv.conf").write_text("nameserver 192.0.2.1\n")
    (tmp_path / "host/etc/hosts").write_text("127.0.0.1 localhost\n")
    return tmp_path


def test_the_journal_and_the_words_of_other_systems_lead_to_the_host(root: Path) -> None:
    assert places.link_all(root=str(root)) == []
    for place in (
        "var/log/journal",
        "run/systemd",
        ".lifsea/rootfs",
        ".bottlerocket/rootfs",
        "media/root",
        "run/host",
    ):
        assert (root / place).readlink().is_relative_to("/host")


def test_a_second_start_finds_its_links(root: Path) -> None:
    places.link_all(root=str(root))
    assert places.link_all(root=str(root)) == []


def test_an_empty_directory_gives_way_and_a_full_one_stays(root: Path) -> None:
    (root / "var/log/journal").mkdir(parents=True)
    (root / "run/systemd/full").mkdir(parents=True)
    warnings = places.link_all(root=str(root))
    assert (root / "var/log/journal").is_symlink()
    assert (root / "run/systemd/full").is_dir()
    assert warnings == ["/run/systemd does not lead to the host's: Directory not empty"]


def test_a_directory_of_the_host_itself_is_never_replaced(root: Path) -> None:
    (root / "run").symlink_to(root / "host/run")  # as a mount of the host's /run would be
    places._link(f"{root}/run/systemd", f"{root}/host/run/systemd")
    assert not (root / "host/run/systemd").is_symlink()


def test_names_are_the_hosts_only_when_the_runtime_gave_none(root: Path) -> None:
    (root / "etc").mkdir()
    (root / "etc/hosts").write_text("127.0.0.1 given\n")
    (root / "etc/resolv.conf").touch()
    places.link_all(root=str(root))
    assert (root / "etc/resolv.conf").readlink() == Path("/host/etc/resolv.conf")
    assert (root / "etc/hosts").read_text() == "127.0.0.1 given\n"


def test_what_the_host_lacks_is_not_linked(root: Path) -> None:
    places.link_all(root=str(root))
    assert not (root / "run/dbus").is_symlink()
