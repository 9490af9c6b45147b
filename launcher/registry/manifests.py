# SPDX-License-Identifier: Apache-2.0
"""Manifests and indexes, OCI's and docker's: pure."""

from __future__ import annotations

import hashlib
from typing import Annotated, Final

import msgspec

from launcher.errors import ImageError

MANIFEST_LIMIT: Final = 4 * 1024 * 1024
CONFIG_LIMIT: Final = 8 * 1024 * 1024
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
ACCEPT: Final = f"{OCI_INDEX}, {OCI_MANIFEST}, {DOCKER_INDEX}, {DOCKER_MANIFEST}"

Digest = Annotated[str, msgspec.Meta(pattern=r"\Asha256:[a-f0-9]{64}\Z")]
Size = Annotated[int, msgspec.Meta(ge=0, le=2**50)]


class Platform(msgspec.Struct, frozen=True):
    architecture: str = ""
    os: str = ""
    variant: str = ""


class Descriptor(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A blob by its digest; `size` in bytes."""

    media_type: str
    digest: Digest
    size: Size
    platform: Platform | None = None


class Manifest(msgspec.Struct, frozen=True):
    """One image of one platform; `body` are the bytes that `digest` is the digest of."""

    digest: str
    media_type: str
    body: bytes
    config: Descriptor
    layers: tuple[Descriptor, ...]

    def blobs(self) -> tuple[Descriptor, ...]:
        """Give the config and the layers, each once, however often the manifest names it."""
        return tuple({blob.digest: blob for blob in (self.config, *self.layers)}.values())


class _Document(msgspec.Struct, rename="camel", omit_defaults=True):
    schema_version: int = 0
    media_type: str = ""
    config: Descriptor | None = None
    layers: list[Descriptor] | None = None
    manifests: list[Descriptor] | None = None


class _Labels(msgspec.Struct, rename="pascal"):
    labels: dict[str, str] | None = None


class _RootFs(msgspec.Struct):
    diff_ids: list[Digest] = []


class Config(msgspec.Struct):
    """What an image's configuration says of itself."""

    architecture: str = ""
    os: str = ""
    config: _Labels | None = None
    rootfs: _RootFs | None = None

    def labels(self) -> dict[str, str]:
        return dict(self.config.labels or {}) if self.config else {}

    def diff_ids(self) -> list[str]:
        """Give the digests of the layers as plain tar, in order."""
        return list(self.rootfs.diff_ids) if self.rootfs else []


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def parse(body: bytes, media_type: str, place: str) -> Manifest | tuple[Descriptor, ...]:
    """Read a manifest, or an index as the descriptors in it.

    `media_type` is what the server called it; `ImageError("image.registry")` for anything else.
    """
    try:
        document = msgspec.json.decode(body, type=_Document)
    except (ValueError, RecursionError):
        raise _nonsense(place, "its manifest cannot be read") from None
    images = document.manifests is not None
    if images == (document.config is not None and document.layers is not None):
        # Both or neither: a body that two readers could take for two images is refused.
        raise _nonsense(place, "its manifest is of no kind that is known")
    if document.manifests is not None:
        return tuple(document.manifests)
    assert document.config is not None  # noqa: S101 - see above
    if document.config.media_type not in (OCI_CONFIG, DOCKER_CONFIG):
        raise _nonsense(place, "it is no container image")
    declared = document.media_type or media_type.partition(";")[0].strip()
    known = declared if declared in (OCI_MANIFEST, DOCKER_MANIFEST) else OCI_MANIFEST
    layers = tuple(document.layers or ())
    return Manifest(digest_of(body), known, body, document.config, layers)


def compose(config: Descriptor, layers: list[Descriptor]) -> Manifest:
    """Make a manifest for an image that has none."""
    document = _Document(media_type=OCI_MANIFEST, config=config, layers=layers, schema_version=2)
    body = msgspec.json.encode(document)
    return Manifest(digest_of(body), OCI_MANIFEST, body, config, tuple(layers))


def choose(index: tuple[Descriptor, ...], arch: str, place: str) -> Descriptor:
    """Give the image for `linux` on `arch`; `ImageError("image.platform")` names what there is."""
    offers = [entry.platform for entry in index if entry.platform]
    for entry in index:
        platform = entry.platform
        if platform and (platform.os, platform.architecture) == ("linux", arch):
            return entry
    names = sorted({f"{p.os}/{p.architecture}" for p in offers if p.os not in ("", "unknown")})
    message = f"{place} has nothing for linux/{arch}, only {', '.join(names[:10]) or 'nothing'}"
    raise ImageError("image.platform", message, _PLATFORM_HINT)


def check_platform(config: bytes, arch: str, place: str) -> None:
    """Refuse an image of another machine: an index may lie, and a lone manifest says nothing."""
    found = read_config(config, place)
    if found.architecture not in ("", arch) or found.os not in ("", "linux"):
        message = f"{place} is for {found.os}/{found.architecture}, this machine is linux/{arch}"
        raise ImageError("image.platform", message, _PLATFORM_HINT)


def read_config(config: bytes, place: str) -> Config:
    try:
        return msgspec.json.decode(config, type=Config)
    except (ValueError, RecursionError):
        raise _nonsense(place, "its configuration cannot be read") from None


_PLATFORM_HINT: Final = "Build and push it for this architecture, or name another image."


def _nonsense(place: str, what: str) -> ImageError:
    return ImageError("image.registry", f"{place}: {what}", "Name an image of OCI or docker form.")
