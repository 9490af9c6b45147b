# SPDX-License-Identifier: Apache-2.0
"""Images of one file, made on the spot, as a registry holds them."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import tarfile
from typing import Any

from launcher.registry import manifests
from launcher.registry.platform import MACHINES
from launcher.registry.platform import this as this_machine


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def other_architecture() -> str:
    return next(arch for arch in MACHINES.values() if arch != this_machine())


@dataclasses.dataclass
class SmallImage:
    """An image as bytes: the manifest, and its blobs by digest."""

    manifest: bytes
    media_type: str
    blobs: dict[str, bytes]
    config_digest: str

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)

    @property
    def layers(self) -> list[bytes]:
        return [data for digest, data in self.blobs.items() if digest != self.config_digest]


def layer_tar(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def make_image(
    contents: tuple[bytes, ...] = (b"hello\n",),
    *,
    docker: bool = False,
    architecture: str = "",
    labels: dict[str, str] | None = None,
) -> SmallImage:
    """Make an image with one gzip layer for each of `contents`."""
    tars = [layer_tar(f"file{number}", content) for number, content in enumerate(contents)]
    layers = [gzip.compress(tar, 1, mtime=0) for tar in tars]
    config = json.dumps(
        {
            "architecture": architecture or this_machine(),
            "os": "linux",
            "config": {"Cmd": ["/file0"], "Labels": labels or {"made-by": "a test"}},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
            "history": [{"created_by": "a test"} for _ in tars],
        }
    ).encode()
    kind = "docker" if docker else "oci"
    layer_type = {
        "oci": "application/vnd.oci.image.layer.v1.tar+gzip",
        "docker": "application/vnd.docker.image.rootfs.diff.tar.gzip",
    }[kind]
    config_type = manifests.DOCKER_CONFIG if docker else manifests.OCI_CONFIG
    media_type = manifests.DOCKER_MANIFEST if docker else manifests.OCI_MANIFEST
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": descriptor(config, config_type),
        "layers": [descriptor(layer, layer_type) for layer in layers],
    }
    blobs = {digest_of(data): data for data in (config, *layers)}
    return SmallImage(json.dumps(document).encode(), media_type, blobs, digest_of(config))


def descriptor(data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "size": len(data), "digest": digest_of(data), **more}


def make_index(images: dict[str, SmallImage]) -> bytes:
    """Make an index of images by architecture, with an attestation as buildkit adds it."""
    entries = [
        descriptor(
            image.manifest, image.media_type, platform={"os": "linux", "architecture": architecture}
        )
        for architecture, image in images.items()
    ]
    unknown = {"os": "unknown", "architecture": "unknown"}
    attestation = descriptor(b"{}", manifests.OCI_MANIFEST, platform=unknown)
    document = {
        "schemaVersion": 2,
        "mediaType": manifests.OCI_INDEX,
        "manifests": [attestation, *entries],
    }
    return json.dumps(document).encode()


def parsed(image: SmallImage) -> manifests.Manifest:
    """Give the manifest as the launcher reads it."""
    found = manifests.parse(image.manifest, image.media_type, "a test")
    assert isinstance(found, manifests.Manifest)
    return found
