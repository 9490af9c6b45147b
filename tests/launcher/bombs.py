# SPDX-License-Identifier: Apache-2.0
"""Archives of a few megabytes that unpack to gigabytes, made in no time."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING

from backports import zstd

from launcher.registry import manifests
from launcher.registry.platform import this as this_machine
from tests.launcher.small_images import SmallImage, descriptor, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 2**20
PIECE = 64 * MIB  # of zeros, packed once
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 9, mtime=0),
    "zstd": lambda data: zstd.compress(data, 3),
}


def packed_zeros(head: bytes, pieces: int, packer: str = "gzip") -> bytes:
    """`head` and then zeros: members of gzip, or frames of zstd, one behind the other."""
    pack = PACKERS[packer]
    return pack(head) + pack(bytes(PIECE)) * pieces


def header(name: str = "zeros", size: int = 0, kind: bytes = tarfile.REGTYPE) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.type = size, kind
    return entry.tobuf(tarfile.GNU_FORMAT)


def image_of(layer: bytes, diff_id: str = "", media: str = "gzip") -> SmallImage:
    """An image of that one layer; a bomb's diff id is of no matter."""
    config = json.dumps(
        {
            "architecture": this_machine(),
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [diff_id or digest_of(layer)]},
        }
    ).encode()
    suffix = f"+{media}" if media else ""
    document = {
        "schemaVersion": 2,
        "mediaType": manifests.OCI_MANIFEST,
        "config": descriptor(config, manifests.OCI_CONFIG),
        "layers": [descriptor(layer, f"application/vnd.oci.image.layer.v1.tar{suffix}")],
    }
    blobs = {digest_of(data): data for data in (config, layer)}
    return SmallImage(
        json.dumps(document).encode(), manifests.OCI_MANIFEST, blobs, digest_of(config)
    )


def packed_layer(pieces: int, packer: str) -> SmallImage:
    """An image whose one layer is a file of zeros, and true to its digests."""
    head = header(size=pieces * PIECE)
    found = hashlib.sha256(head)
    for _ in range(pieces):
        found.update(bytes(PIECE))
    return image_of(packed_zeros(head, pieces, packer), "sha256:" + found.hexdigest(), packer)


def sparse_layer(size: int) -> SmallImage:
    """A layer with a file that is one hole, in GNU's old form: 2 KiB for any size."""
    entry = bytearray(header("hole", kind=tarfile.GNUTYPE_SPARSE))
    entry[386:398] = b"%011o\0" % size  # sp[0].offset, of a piece of length 0
    entry[398:410] = b"%011o\0" % 0
    entry[483:495] = b"%011o\0" % size  # the real size
    entry[148:156] = b" " * 8
    entry[148:156] = b"%06o\0 " % sum(entry)
    layer = bytes(entry) + bytes(1024)
    return image_of(layer, media="")


def endless_headers(count: int) -> bytes:
    """Extended headers that belong to no member."""
    return pax(b"19 comment=nothing\n") * count


def pax(records: bytes, size: int | None = None) -> bytes:
    found = header("x", len(records) if size is None else size, tarfile.XHDTYPE)
    return found + records + bytes(-len(records) % 512)


def many_files(count: int) -> SmallImage:
    """A layer of empty files with one name."""
    plain = header() * count + bytes(1024)
    return image_of(gzip.compress(plain, 6, mtime=0), digest_of(plain))


def tar_of(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return stream.getvalue()
