# SPDX-License-Identifier: Apache-2.0
"""Lines of fstab and what is mounted by them, on a host that is a directory."""

from __future__ import annotations

import os

import pytest

from bootstrap_image.fstab import fstab
from bootstrap_image.host import ModuleError
from tests.bootstrap_image.stand_in import StandIn, do

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files are given to owners")


def test_fstab_keeps_its_lines_and_replaces_ours() -> None:
    lines = [["/dev/vdb", "/mnt/a", "auto", "defaults,nofail", "0", "2"]]
    once = fstab("# a comment\nUUID=1 / ext4 ro 0 1\n/dev/vdx /mnt/a xfs rw 0 0\n", lines, [])
    assert once == (
        "# a comment\nUUID=1 / ext4 ro 0 1\n"
        "/dev/vdb\t/mnt/a\tauto\tdefaults,nofail,x-hatchway\t0\t2\n"
    )
    assert fstab(once, lines, []) == once
    assert fstab(once, [], ["/dev/vdb"]) == "# a comment\nUUID=1 / ext4 ro 0 1\n"


def test_a_mount_is_made_once(host: StandIn) -> None:
    with pytest.raises(ModuleError, match="nothing was mounted"):
        do("mounts: [[vdb, /mnt/a]]", host)
    assert host.ran == ["mount /mnt/a"]
    host.mounted("30 1 254:16 / /mnt/a rw - ext4 /dev/vdb rw")
    (host.root / "dev").mkdir()
    do("mounts: [[/dev/vdb, /mnt/a]]", host)
    assert host.ran == ["mount /mnt/a"]
    assert "mounted already" in host.said[-1]


def test_options_of_a_failed_mount_are_not_shown(host: StandIn) -> None:
    host.failing = "mount"
    with pytest.raises(ModuleError) as caught:
        do("mounts: [[//nas/x, /mnt/a, cifs, password=s3cret]]", host)
    assert "s3cret" not in str(caught.value)


def _disk(host: StandIn, name: str, number: str) -> None:
    host.put(f"dev/{name}", "")
    host.put(f"sys/class/block/{name}/dev", f"{number}\n")


@pytest.mark.parametrize(
    "source", ["LABEL=data", "UUID=1-2", "PARTLABEL=data", "PARTUUID=1-2", "/dev/vdb"]
)
@pytest.mark.parametrize(
    ("there", "ran"),
    [
        ("254:16 / /mnt/a rw - ext4 /dev/vdb rw", False),
        ("254:16 / /mnt/a rw - ext4 /dev/by-another-name rw", False),
        ("254:32 / /mnt/a rw - ext4 /dev/vdc rw", True),
        ("254:16 /a /mnt/a rw - ext4 /dev/vdb rw", True),  # a directory of it
    ],
)
def test_what_is_mounted_already_is_known_by_its_device(
    host: StandIn, source: str, there: str, ran: bool
) -> None:
    _disk(host, "vdb", "254:16")
    host.answers = {"findfs": "/dev/vdb\n"}
    host.mounted(f"30 1 {there}")
    try:
        do(f"mounts: [[{source}, /mnt/a, ext4]]", host)
    except ModuleError:  # the stand-in mounts nothing
        assert ran
    assert ("mount /mnt/a" in host.ran) == ran


def test_a_tag_that_no_device_has_is_not_there(host: StandIn) -> None:
    host.answers = {"findfs": "findfs: unable to resolve 'LABEL=data'\n"}
    host.mounted("30 1 254:144 / /mnt/a rw - ext4 /dev/vda9 rw")
    with pytest.raises(ModuleError, match="nothing was mounted; is the device there"):
        do("mounts: [[LABEL=data, /mnt/a, ext4]]", host)


def test_a_share_of_another_machine_is_known_by_its_name(host: StandIn) -> None:
    host.mounted("30 1 0:50 / /mnt/a rw - nfs4 nas:/x rw")
    do("mounts: [[nas:/x, /mnt/a, nfs]]", host)
    assert host.ran == []


def test_a_part_of_a_btrfs_is_known_by_its_name_in_the_options(host: StandIn) -> None:
    _disk(host, "vdb", "254:16")
    host.mounted("30 1 0:41 /@data /mnt/a rw - btrfs /dev/vdb rw")
    do("mounts: [[vdb, /mnt/a, btrfs, 'noatime,subvol=@data']]", host)
    assert host.ran == []


@pytest.mark.parametrize("line", ["/dev/vda9, /mnt", "LABEL=data, /mnt", "tmpfs, /mnt, tmpfs"])
def test_the_hosts_own_directory_is_not_yet_what_is_to_be_mounted_over_it(
    host: StandIn, line: str
) -> None:
    _disk(host, "vda9", "254:9")
    host.answers = {"findfs": "/dev/vda9\n"}
    with pytest.raises(ModuleError, match="nothing was mounted"):
        do(f"mounts: [[{line}]]", host)
    assert "mount /mnt" in host.ran


def test_a_disk_over_a_directory_of_the_host_is_mounted_once(host: StandIn) -> None:
    _disk(host, "vdb", "254:16")
    host.mounted("30 104 254:16 / /mnt rw - ext4 /dev/vdb rw")
    do("mounts: [[vdb, /mnt/]]", host)
    assert (host.ran, host.said) == ([], ["/mnt is mounted already"])


def test_a_mount_through_a_link_that_leaves_what_the_host_sees_is_refused(host: StandIn) -> None:
    (host.root / "srv").mkdir()
    (host.root / "mnt/a").symlink_to("../srv")
    with pytest.raises(ModuleError, match="/mnt/a leads to /srv by a link"):
        do("mounts: [[vdb, /mnt/a/b], [vdb, /mnt/a]]", host)
    assert host.ran == []
    assert not (host.root / "srv/b").exists()


def test_a_link_within_what_the_host_sees_is_followed(host: StandIn) -> None:
    _disk(host, "vdb", "254:16")
    (host.root / "var/data").mkdir()
    (host.root / "mnt/a").symlink_to("../var/data")
    host.mounted("30 104 254:16 / /var/data rw - ext4 /dev/vdb rw")
    do("mounts: [[vdb, /mnt/a]]", host)
    assert host.ran == []


def test_a_directory_that_the_host_lacks_is_no_place_for_a_mount(host: StandIn) -> None:
    host.put("proc/self/mountinfo", "30 1 254:9 /var /var rw - ext4 /dev/vda9 rw\n")
    with pytest.raises(ModuleError, match="/mnt/a: the host has no /mnt"):
        do("mounts: [[vdb, /mnt/a]]", host)
    assert host.ran == []


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("vdb", "/dev/vdb1"),
        ("data", "/dev/vdb1"),
        ("data.0", "/dev/vdb1"),
        ("data.2", "/dev/vdb2"),
        ("vdb1", "/dev/vdb1"),
        ("vdc", "/dev/vdc"),
        ("/dev/disk/by-id/x", "/dev/disk/by-id/x-part1"),
    ],
)
def test_a_disk_with_partitions_stands_for_its_first_one(
    host: StandIn, name: str, device: str
) -> None:
    for disk in ("vdb", "vdb/vdb1", "vdb/vdb2", "vdb/vdb11", "vdc", "vdc1"):
        host.put(f"sys/class/block/{disk}/dev", "")
    for node in ("vdb", "vdb1", "vdb2", "vdb11", "vdc", "vdc1"):
        host.put(f"dev/{node}", "")
    (host.root / "dev/disk/by-id").mkdir(parents=True)
    (host.root / "dev/disk/by-id/x").symlink_to("../../vdb")
    (host.root / "dev/disk/by-id/x-part1").symlink_to("../../vdb1")
    with pytest.raises(ModuleError, match="nothing was mounted"):
        do(f"device_aliases: {{data: /dev/vdb}}\nmounts: [[{name}, /mnt/a]]", host)
    assert host.text("etc/fstab").split("\t")[0] == device


def test_a_disk_that_is_taken_out_of_fstab_takes_its_first_partition_along(host: StandIn) -> None:
    host.put("sys/class/block/vdb/vdb1/dev", "")
    host.put("etc/fstab", "/dev/vdb1 /mnt/a ext4 rw 0 0\n/dev/vdc /mnt/b ext4 rw 0 0\n")
    do("mounts: [[vdb]]", host)
    assert host.text("etc/fstab") == "/dev/vdc /mnt/b ext4 rw 0 0\n"


def test_swap_with_a_label_is_used_once(host: StandIn) -> None:
    host.answers = {"findfs": "/dev/vdb2\n"}
    host.put("proc/swaps", "Filename Type\n/dev/vdb2 partition\n")
    do("mounts: [[LABEL=swap, none, swap, sw]]", host)
    assert not any(line.startswith("swapon") for line in host.ran)


def test_a_swap_partition_is_used_at_once(host: StandIn) -> None:
    do("mounts: [[vdb2, none, swap, sw, 0, 0]]", host)
    assert host.ran == ["swapon /dev/vdb2"]
