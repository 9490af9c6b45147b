# SPDX-License-Identifier: Apache-2.0
"""One image as one tar that every engine loads: an OCI layout that is docker's format as well.

`ctr images import` and podman read `index.json`, docker reads `manifest.json`; both point at the
same blobs. It is made as it is read, in constant memory, and checked against sizes as it goes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from launcher.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from launcher.registry.manifests import Descriptor, Manifest

BLOCK: Final = 512
# ctr and podman take the whole name from containerd's annotation; the OCI one is for the others.
CONTAINERD_NAME: Final = "io.containerd.image.name"
OCI_NAME: Final = "org.opencontainers.image.ref.name"


def write(
    manifest: Manifest, name: str, read: Callable[[Descriptor], Iterable[bytes]]
) -> Iterator[bytes]:
    """Give the archive in pieces.

    `name` is registry/repository:tag, `read` gives a blob's content. `ImageError` when a blob is
    not as long as the manifest says.
    """
    yield from _file("oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
    yield from _file("index.json", _json(_index(manifest, name)))
    yield from _file("manifest.json", _json(_docker_manifest(manifest, name)))
    yield from _file(_path(manifest.digest), manifest.body)
    for blob in manifest.blobs():
        yield _header(_path(blob.digest), blob.size)
        yield from _exactly(read(blob), blob)
        yield bytes(-blob.size % BLOCK)
    yield bytes(2 * BLOCK)


def size(manifest: Manifest) -> int:
    """Give about how many bytes `write` makes."""
    return sum(blob.size for blob in manifest.blobs())


def _index(manifest: Manifest, name: str) -> dict[str, Any]:
    entry = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.body),
        "annotations": {CONTAINERD_NAME: name, OCI_NAME: name.rpartition(":")[2]},
    }
    return {"schemaVersion": 2, "manifests": [entry]}


def _docker_manifest(manifest: Manifest, name: str) -> list[dict[str, Any]]:
    layers = [_path(layer.digest) for layer in manifest.layers]
    return [{"Config": _path(manifest.config.digest), "RepoTags": [name], "Layers": layers}]


def _path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


def _file(path: str, data: bytes) -> Iterator[bytes]:
    yield _header(path, len(data))
    yield data + bytes(-len(data) % BLOCK)


def _header(path: str, length: int) -> bytes:
    import tarfile

    entry = tarfile.TarInfo(path)
    entry.size = length
    entry.mode = 0o644
    return entry.tobuf(tarfile.GNU_FORMAT)


def _exactly(chunks: Iterable[bytes], blob: Descriptor) -> Iterator[bytes]:
    """Pass on a blob; a wrong length would shift everything behind it."""
    left = blob.size
    for chunk in chunks:
        left -= len(chunk)
        yield chunk
    if left:
        message = f"the blob {blob.digest[:19]} is {abs(left)} bytes too {_side(left)}"
        raise ImageError("image.archive", message, "Pull or save the image again.")


def _side(left: int) -> str:
    return "short" if left > 0 else "long"
