# SPDX-License-Identifier: Apache-2.0
"""An image from wherever it can be had: mirrors in order, then the registry itself."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from launcher.errors import ImageError
from launcher.registry import credentials, manifests, platform
from launcher.registry.blobs import Spool
from launcher.registry.client import Registry
from launcher.registry.retry import TRIES, TRIES_OF_MIRROR

if TYPE_CHECKING:
    from pathlib import Path

    from launcher.monitor import Monitor
    from launcher.references import Reference
    from launcher.registry.endpoint import Endpoint, RegistrySettings
    from launcher.registry.watch import Watch


@dataclasses.dataclass(frozen=True, slots=True)
class Fetched:
    """An image that was found: `digest` is what the reference names (an index, or the manifest).

    `spool` holds its blobs, or is None when the engine had that very image already.
    """

    digest: str
    manifest: manifests.Manifest
    spool: Spool | None


def fetch(
    reference: Reference,
    *,
    settings: RegistrySettings,
    directory: Path,
    held: str,
    watch: Watch,
    monitor: Monitor,
) -> Fetched:
    """Find the image and bring its blobs into `directory`, unless one of its digests is `held`.

    Raises the `ImageError` of the registry itself, with those of its mirrors in its details, or
    `HostError` when the disk is full.
    """
    route = settings.route(reference.registry)
    mirrors: list[dict[str, Any]] = []
    for position, endpoint in enumerate(route):
        known = _with_credentials(endpoint, reference, settings, monitor)
        source = _Source(reference, known, directory, held, watch, monitor)
        try:
            return source.fetch()
        except ImageError as error:
            if position == len(route) - 1:
                if mirrors:
                    error.details["mirrors"] = mirrors
                raise
            watch.trouble = error.message
            mirrors.append({"mirror": endpoint.name, "code": error.code, "message": error.message})
            monitor.note(f"mirror {endpoint.name}: {error.message}; asking the next")
    raise AssertionError  # unreachable: a route has at least the registry itself


@dataclasses.dataclass(frozen=True, slots=True)
class _Source:
    reference: Reference
    endpoint: Endpoint
    directory: Path
    held: str
    watch: Watch
    monitor: Monitor

    def fetch(self) -> Fetched:
        reference = self.reference
        # Caches for many registries tell them apart by containerd's `ns` parameter.
        mirrored = self.endpoint.host != reference.registry
        registry = Registry(
            self.endpoint,
            reference.repository,
            watch=self.watch,
            monitor=self.monitor,
            namespace=reference.registry if mirrored else "",
            tries=TRIES_OF_MIRROR if mirrored else TRIES,
        )
        arch = platform.this()
        digest, manifest = registry.manifest(reference.selector(), arch)
        if self.held in (manifest.config.digest, manifest.digest, digest):
            return Fetched(digest, manifest, None)
        spool = Spool(self.directory)
        registry.blobs(manifest, spool, self.monitor, f"pulling {reference}")
        config = b"".join(spool.read(manifest.config))
        manifests.check_platform(config, arch, registry.place)
        return Fetched(digest, manifest, spool)


def _with_credentials(
    endpoint: Endpoint, reference: Reference, settings: RegistrySettings, monitor: Monitor
) -> Endpoint:
    """Fill in what the auth files know, where the settings say nothing."""
    if endpoint.username or endpoint.identity_token:
        return endpoint
    name = f"{endpoint.host}/{endpoint.repository(reference.repository)}"
    found = credentials.find(name, named=settings.authfile, environ=os.environ)
    for note in found.notes:
        monitor.note(note)
    return dataclasses.replace(
        endpoint,
        username=found.username,
        password=found.password,
        identity_token=found.identity_token,
    )
