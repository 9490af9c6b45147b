# SPDX-License-Identifier: Apache-2.0
"""Whose user data a machine takes: nobody becomes root by attaching a disk to it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Literal

import pytest

from launcher import sources
from launcher.errors import HostError
from launcher.sources import discs, nocloud
from launcher.sources.firmware import Firmware
from launcher.sources.service import SIZE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCRIPT = b"#!/bin/sh\necho secret\n"
AZURE = "7783-7084-3265-9085-8269-3286-77"
ASKED = ("ds=nocloud", "ds=nocloud;i=node7", "ds=nocloud-net;s=http://10.0.0.1/")


def disc(path: Path, name: str = "cidata") -> None:
    """Make a seed's disc as the public documents do."""
    tree = path.with_suffix(".tree")
    tree.mkdir()
    (tree / "user-data").write_bytes(SCRIPT)
    argv = ("genisoimage", "-quiet", "-output", path, "-volid", name, "-joliet", "-rock", tree)
    subprocess.run(argv, check=True)


class Machine:
    """What the kernel and udev would show of one, with real file systems on its disks."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dmi, self.line = place / "dmi", place / "cmdline"
        self.seeds, self._labels = place / "seed", place / "by-label"
        self._block, self._devices = place / "block", place / "dev"
        for directory in (self.dmi, self.seeds, self._labels, self._block, self._devices):
            directory.mkdir()
        self.line.write_text("BOOT_IMAGE=/vmlinuz ro quiet\n")
        monkeypatch.setattr(nocloud, "LABELS", self._labels)
        monkeypatch.setattr(nocloud, "QUEUE", place / "queue")
        monkeypatch.setattr(nocloud, "directory", lambda look=nocloud.directory: look(self.seeds))
        monkeypatch.setattr(
            discs, "named", lambda name, look=discs.named: look(name, self._block, self._devices)
        )

    def has(self, kind: Literal["cd", "volume", "directory"]) -> None:
        if kind == "directory":
            (self.seeds / "nocloud").mkdir()
            (self.seeds / "nocloud/user-data").write_bytes(SCRIPT)
            return
        name = "sr0" if kind == "cd" else "vdb"
        disc(self._devices / name)
        (self._block / name).mkdir()
        (self._labels / "cidata").symlink_to(self._devices / name)

    def told(self, **fields: str) -> Firmware:
        for name, text in fields.items():
            (self.dmi / name).write_text(f"{text}\n")
        return Firmware.read(self.dmi, self.line)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


CLOUDS = [
    ({"sys_vendor": "Alibaba Cloud"}, "aliyun"),
    ({"sys_vendor": "Amazon EC2"}, "aws"),
    ({"sys_vendor": "Xen", "product_name": "HVM domU", "bios_version": "4.11.amazon"}, "aws"),
    ({"sys_vendor": "Xen", "product_uuid": "EC2E1916-9099-7CAF-FD21-012345ABCDEF"}, "aws"),
    ({"product_name": "Google Compute Engine"}, "gce"),
    ({"product_serial": "GoogleCloud-0123456789ABCDEF"}, "gce"),
    ({"product_name": "OpenStack Nova"}, "openstack"),
    ({"sys_vendor": "QEMU", "chassis_asset_tag": "OpenStack Compute"}, "openstack"),
    # Of these we have no source.
    ({"sys_vendor": "Microsoft Corporation", "chassis_asset_tag": AZURE}, "none"),
    ({"sys_vendor": "QEMU", "chassis_asset_tag": "OracleCloud.com"}, "none"),
    ({"sys_vendor": "DigitalOcean", "product_name": "Droplet"}, "none"),
    ({"sys_vendor": "Hetzner", "product_name": "vServer"}, "none"),
    ({"sys_vendor": "Apache Software Foundation", "product_name": "CloudStack"}, "none"),
    ({"product_name": "CloudStack KVM Hypervisor"}, "none"),
    ({"sys_vendor": "Tencent Cloud", "product_name": "CVM"}, "none"),
    ({"sys_vendor": "QEMU", "chassis_asset_tag": "0a1b2c3d.zstack.io"}, "none"),
]
OTHERS = [
    {"sys_vendor": "QEMU", "product_name": "Standard PC (i440FX + PIIX, 1996)"},
    {"sys_vendor": "VMware, Inc.", "product_name": "VMware7,1"},
    {"sys_vendor": "Microsoft Corporation", "product_name": "Virtual Machine"},
    {"sys_vendor": "Xen", "product_uuid": "0ec21916-9099-7caf-fd21-012345abcdef"},
    # One in four thousand machines of others has such an identity.
    {"sys_vendor": "QEMU", "product_uuid": "ec2e1916-9099-7caf-fd21-012345abcdef"},
    {},
]


@pytest.mark.parametrize("seed", [None, "cd", "volume", "directory"])
@pytest.mark.parametrize(("fields", "source"), CLOUDS)
def test_in_a_cloud_no_seed_counts(
    fields: dict[str, str],
    source: str,
    seed: Literal["cd", "volume", "directory"] | None,
    machine: Machine,
) -> None:
    if seed:
        machine.has(seed)
    assert sources.detect(machine.told(**fields)) == source


@pytest.mark.parametrize(
    ("seed", "source"),
    [("cd", "nocloud"), ("directory", "nocloud"), ("volume", "none"), (None, "none")],
)
@pytest.mark.parametrize("fields", OTHERS)
def test_elsewhere_a_cd_or_the_hosts_directory_counts_and_a_volume_does_not(
    fields: dict[str, str],
    seed: Literal["cd", "volume", "directory"] | None,
    source: str,
    machine: Machine,
) -> None:
    if seed:
        machine.has(seed)
    assert sources.detect(machine.told(**fields)) == source


@pytest.mark.parametrize("words", ASKED)
@pytest.mark.parametrize("fields", [CLOUDS[0][0], OTHERS[0]], ids=["cloud", "elsewhere"])
def test_whoever_makes_or_boots_the_machine_may_ask_for_a_seed(
    fields: dict[str, str], words: str, machine: Machine
) -> None:
    assert sources.detect(machine.told(**fields, product_serial=words)) == "nocloud"
    told = machine.told(product_serial="0123")
    assert not told.asks_for_seed()
    machine.line.write_text(f"ro {words} quiet\n")
    assert sources.detect(machine.told()) == "nocloud"


@pytest.mark.parametrize("words", ["xds=nocloud", "ds=none", "ds=nocloudy", "s=ds=nocloud"])
def test_other_words_ask_for_none(words: str, machine: Machine) -> None:
    assert not machine.told(product_serial=words).asks_for_seed()


def test_a_volume_is_a_seed_only_where_one_is_asked_for(machine: Machine) -> None:
    machine.has("volume")
    assert nocloud.disk(asked=False) is None
    found = nocloud.disk(asked=True)
    assert found is not None
    assert found.name == "cidata"


def test_a_volume_takes_no_cd_its_label_away(machine: Machine) -> None:
    machine.has("cd")
    label = nocloud.LABELS / "cidata"
    label.unlink()
    label.symlink_to("/dev/null")
    for asked in (True, False):
        found = nocloud.disk(asked=asked)
        assert found is not None
        assert found.name == "sr0"


def test_a_drive_is_known_by_what_is_on_it(tmp_path: Path) -> None:
    devices, block = tmp_path / "dev", tmp_path / "block"
    for name in ("sr0", "sr1", "sr2", "sr10", "sr11", "vdb", "srx"):
        (block / name).mkdir(parents=True)
    devices.mkdir()
    (devices / "sr0").touch()  # no disc, as good as
    (devices / "sr1").write_bytes(os.urandom(40_000))
    disc(devices / "sr2", "cidata-2")
    disc(devices / "vdb")
    disc(devices / "srx")
    assert discs.named("cidata", block, devices) is None
    disc(devices / "sr11")
    disc(devices / "sr10", "CIDATA")
    assert discs.named("cidata", block, devices) == devices / "sr10"


def test_the_hosts_own_directory_is_read_with_the_machine_that_it_names(machine: Machine) -> None:
    assert nocloud.directory() is None
    seed = machine.seeds / "nocloud-net"
    seed.mkdir()
    (seed / "user-data").write_bytes(SCRIPT)
    (seed / "meta-data").write_text("local-hostname: node7\ninstance-id: 'iid-7' # first\n")
    found = nocloud.read(asked=False)
    assert (found.source, found.instance_id, found.data) == ("nocloud", "iid-7", SCRIPT)


@pytest.mark.parametrize("how", ["link", "writable", "in a directory that is"])
def test_a_directory_that_others_may_change_is_refused(how: str, machine: Machine) -> None:
    machine.has("directory")
    seed = machine.seeds / "nocloud"
    if how == "link":
        (seed / "user-data").unlink()
        (seed / "user-data").symlink_to("/etc/hostname")
    else:
        (seed if how.startswith("in") else seed / "user-data").chmod(0o777)
    with pytest.raises(HostError) as caught:
        nocloud.read(asked=False)
    assert caught.value.code == "host.unsafe-path"


def link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(SIZE_LIMIT + 1)


@pytest.mark.parametrize(
    ("plant", "why"),
    [
        (link, "is a link"),
        (os.mkfifo, "is no regular file"),
        (os.mkdir, "is no regular file"),
        (sparse, "is larger than 16 MiB"),
    ],
)
@pytest.mark.parametrize("name", ["user-data", "meta-data"])
def test_a_disk_gives_regular_files_and_of_bounded_size(
    name: str, plant: Callable[[Path], None], why: str, tmp_path: Path
) -> None:
    plant(tmp_path / name)
    with pytest.raises(HostError, match=f"{name} of the seed {why}") as caught:
        nocloud.found(lambda name: nocloud.content(tmp_path, name))
    assert caught.value.code == "host.metadata"


def test_a_disk_without_them_gives_nothing(tmp_path: Path) -> None:
    found = nocloud.found(lambda name: nocloud.content(tmp_path, name))
    assert (found.instance_id, found.data) == ("", b"")
