# SPDX-License-Identifier: Apache-2.0
"""Disks, file systems and swap files, on a host that is a directory."""

from __future__ import annotations

import os
import stat

import pytest

from bootstrap_image.host import ModuleError
from bootstrap_image.modules.disk_setup import script
from bootstrap_image.modules.swap import suggested
from tests.bootstrap_image.stand_in import StandIn, do

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files are given to owners")


def test_partitions_take_their_share_and_the_last_the_rest() -> None:
    assert script("gpt", [[33, ""], [33, "swap"], [34, ""]], 10 << 30) == (
        "label: gpt\nsize=3378MiB\nsize=3378MiB,type=swap\n,\n"
    )
    assert script("dos", [[50, ""]], 1 << 30) == "label: dos\nsize=511MiB\n"


def _disk(host: StandIn, *, signature: str = "", parts: str = "", used: str = "disk") -> None:
    for name in ("vdb", "vdb1"):
        host.put(f"dev/{name}", "")
    host.answers = {
        "blkid -p -o export /dev/vdb1": "",
        "blkid -p": signature,
        "lsblk --noheadings --list --paths": parts,
        "lsblk": used,
        "blockdev": str(1 << 30),
    }


SETUP = "disk_setup: {/dev/vdb: {table_type: gpt, layout: true, overwrite: OVER}}"


def test_an_empty_disk_is_partitioned(host: StandIn) -> None:
    _disk(host)
    do(SETUP.replace("OVER", "false"), host)
    assert host.ran[-1].startswith("sfdisk ")
    assert host.given == ["label: gpt\n,\n"]


def test_a_disk_that_holds_data_is_left_alone(host: StandIn) -> None:
    _disk(host, signature="TYPE=ext4\n")
    with pytest.raises(ModuleError, match="holds ext4; `overwrite: true` would replace it"):
        do(SETUP.replace("OVER", "false"), host)
    assert not any(line.startswith(("wipefs", "sfdisk")) for line in host.ran)


def test_a_disk_with_its_partitions_is_left_alone_even_with_overwrite(host: StandIn) -> None:
    _disk(host, signature="PTTYPE=gpt\n", parts="/dev/vdb disk\n/dev/vdb1 part\n")
    do(SETUP.replace("OVER", "true"), host)
    assert not any(line.startswith(("wipefs", "sfdisk")) for line in host.ran)


def test_a_disk_in_use_is_left_alone_even_with_overwrite(host: StandIn) -> None:
    _disk(host, signature="TYPE=ext4\n", used="disk /var")
    with pytest.raises(ModuleError, match="mounted at /var"):
        do(SETUP.replace("OVER", "true"), host)
    assert not any(line.startswith(("wipefs", "sfdisk")) for line in host.ran)


def test_a_file_system_is_made_on_the_first_empty_partition(host: StandIn) -> None:
    _disk(host, signature="PTTYPE=gpt\n", parts="/dev/vdb disk\n/dev/vdb1 part\n", used="part")
    do(
        "fs_setup: [{device: /dev/vdb, filesystem: xfs, label: data, extra_opts: [-m, reflink=0]}]",
        host,
    )
    assert host.ran[-1] == "mkfs.xfs -f -L data -m reflink=0 /dev/vdb1"


def test_a_file_system_that_is_there_stays(host: StandIn) -> None:
    _disk(host, signature="TYPE=ext4\nLABEL=data\n")
    do(
        "fs_setup: [{device: /dev/vdb, filesystem: ext4, label: data, partition: none, "
        "overwrite: true}]",
        host,
    )
    assert not any(line.startswith(("wipefs", "mkfs")) for line in host.ran)


@pytest.mark.parametrize(
    ("partition", "made"), [("auto", ["/dev/vdb2"]), ("any", []), ("any, label: other", [])]
)
def test_any_takes_a_file_system_of_the_kind_whatever_its_label(
    host: StandIn, partition: str, made: list[str]
) -> None:
    parts = "/dev/vdb disk\n/dev/vdb1 part\n/dev/vdb2 part\n"
    _disk(host, signature="", parts=parts, used="part")
    host.answers = {"blkid -p -o export /dev/vdb1": "TYPE=ext4\nLABEL=old\n"} | {
        words: text for words, text in host.answers.items() if "vdb1" not in words
    }
    do(f"fs_setup: [{{device: vdb, filesystem: ext4, partition: {partition}}}]", host)
    assert [line.split()[-1] for line in host.ran if line.startswith("mkfs")] == made


def test_any_replaces_the_kind_that_is_named(host: StandIn) -> None:
    parts = "/dev/vdb disk\n/dev/vdb1 part\n"
    _disk(host, signature="", parts=parts, used="part")
    host.answers["blkid -p -o export /dev/vdb1"] = "TYPE=ntfs\n"
    do(
        "fs_setup: [{device: vdb, filesystem: ext4, partition: any, replace_fs: ntfs}]",
        host,
    )
    assert host.ran[-1] == "mkfs.ext4 -F /dev/vdb1"


def _mounted(host: StandIn, fstype: str) -> None:
    host.put(
        "proc/self/mountinfo",
        "30 1 254:1 / /host ro - squashfs /dev/vda1 ro\n"
        f"31 1 254:2 /x /var rw - {fstype} /dev/root rw\n",
    )
    host.put("sys/devices/vda/vda2/partition", "2\n")
    (host.root / "sys/dev/block").mkdir(parents=True)
    (host.root / "sys/dev/block/254:2").symlink_to("../../devices/vda/vda2")


@pytest.mark.parametrize(
    ("fstype", "resize"), [("ext4", "resize2fs /dev/vda2"), ("xfs", "xfs_growfs /var")]
)
def test_the_root_of_an_image_stands_for_var(host: StandIn, fstype: str, resize: str) -> None:
    _mounted(host, fstype)
    do("growpart: {mode: auto}", host)
    assert host.ran == ["growpart /dev/vda 2", resize]


def test_a_resize_can_be_left_out(host: StandIn) -> None:
    _mounted(host, "ext4")
    do("growpart: {mode: auto, devices: [/var]}\nresize_rootfs: false", host)
    assert host.ran == ["growpart /dev/vda 2"]


def test_what_is_not_mounted_cannot_grow(host: StandIn) -> None:
    with pytest.raises(ModuleError, match="nothing is mounted from or at /mnt/x"):
        do("growpart: {devices: [/mnt/x]}", host)


def test_a_swap_file_is_made_kept_and_used_once(host: StandIn) -> None:
    do("swap: {filename: /var/swap, size: 1M}", host)
    made = (host.root / "var/swap").stat()
    assert (made.st_size, stat.S_IMODE(made.st_mode)) == (1 << 20, 0o600)
    assert host.text("etc/fstab") == "/var/swap\tnone\tswap\tsw,nofail,x-hatchway\t0\t0\n"
    assert host.ran == ["mkswap /var/swap.hatchway", "swapon /var/swap"]
    host.put("proc/swaps", "Filename Type\n/var/swap file\n")
    do("swap: {filename: /var/swap, size: 2M}", host)
    assert host.ran == ["mkswap /var/swap.hatchway", "swapon /var/swap"]
    assert host.text("etc/fstab").count("swap\t") == 2


def test_half_a_swap_file_of_a_power_cut_is_made_anew(host: StandIn) -> None:
    host.put("var/swap.hatchway", "half")
    do("swap: {filename: /var/swap, size: 1M}", host)
    assert [path.name for path in (host.root / "var").glob("swap*")] == ["swap"]
    assert (host.root / "var/swap").stat().st_size == 1 << 20


def test_a_swap_file_that_cannot_be_made_leaves_nothing(host: StandIn) -> None:
    host.failing = "mkswap"
    with pytest.raises(ModuleError, match="/var/swap of 1 MiB: mkswap failed"):
        do("swap: {filename: /var/swap, size: 1M}", host)
    assert not list((host.root / "var").glob("swap*"))
    assert "swapon" not in " ".join(host.ran)


@pytest.mark.parametrize(
    ("memory", "free", "size"),
    [(1, 100, 1), (8, 100, 4), (64, 100, 8), (8, 4, 1)],
)
def test_the_size_of_swap_follows_memory_and_disk(memory: int, free: int, size: int) -> None:
    assert suggested(memory << 30, free << 30) == size << 30
