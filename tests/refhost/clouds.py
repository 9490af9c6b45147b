# SPDX-License-Identifier: Apache-2.0
"""What a cloud gives a machine, as arguments for QEMU: firmware, metadata services, a seed disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

# The network of each card, and which of its addresses is the metadata service's.
_NETWORKS: Final = {"alibaba": ("100.100.100", 200), "others": ("169.254.169", 254)}
# What the firmware says: manufacturer, product.
MAKERS: Final = {
    "aliyun": ("Alibaba Cloud", "Alibaba Cloud ECS"),
    "aws": ("Amazon EC2", "m5.large"),
    "gce": ("Google", "Google Compute Engine"),
    "openstack": ("OpenStack Foundation", "OpenStack Nova"),
}


def firmware(cloud: str) -> list[str]:
    maker, product = MAKERS[cloud]
    return ["-smbios", f"type=1,manufacturer={maker},product={product}"]


def services(directory: Path) -> list[str]:
    """Cards that lead to the metadata services, at their own addresses, and nowhere else."""
    program = f"{sys.executable} -I {Path(__file__).with_name('metadata.py')} {directory}"
    arguments: list[str] = []
    for name, (network, service) in _NETWORKS.items():
        net = f"net={network}.0/24,host={network}.2,dhcpstart={network}.15,restrict=on"
        forward = f"guestfwd=tcp:{network}.{service}:80-cmd:{program}"
        arguments += ["-netdev", f"user,id={name},{net},{forward}"]
        arguments += ["-device", f"virtio-net-pci,netdev={name},romfile="]
    return arguments


def asking_for_seed() -> list[str]:
    """Firmware that names no cloud, and says that user data is in a seed."""
    return ["-smbios", "type=1,serial=ds=nocloud;h=node7"]


def seed_disk(image: Path) -> list[str]:
    drive = f"if=none,id=seed,format=raw,readonly=on,file={image}"
    return ["-drive", drive, "-device", "virtio-blk-pci,drive=seed,serial=seed"]


def make_seed(image: Path, kind: Literal["iso9660", "vfat"], files: Mapping[str, bytes]) -> None:
    """A NoCloud seed as the public documents make it: genisoimage, or mkfs.vfat and mcopy."""
    tree = image.with_suffix(".tree")
    tree.mkdir()
    paths = [tree / name for name in files]
    for path in paths:
        path.write_bytes(files[path.name])
    members = [os.fspath(path) for path in paths]
    if kind == "iso9660":
        make_disc(image, tree)
    else:
        _run("mkfs.vfat", "-n", "CIDATA", "-C", os.fspath(image), "1024")
        _run("mcopy", "-i", os.fspath(image), *members, "::")


def make_disc(image: Path, tree: Path) -> None:
    options = ("-quiet", "-volid", "cidata", "-joliet", "-rock")
    _run("genisoimage", "-output", os.fspath(image), *options, os.fspath(tree))


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)
