# SPDX-License-Identifier: Apache-2.0
"""The registries that the settings describe, in the terms of the registry client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from launcher.registry.endpoint import Endpoint, RegistrySettings

if TYPE_CHECKING:
    from launcher.settings import Mirror, Settings


def from_settings(settings: Settings, authfile: str = "") -> RegistrySettings:
    """Endpoints and mirrors of `[registries]`; a flag's auth file wins over the settings'."""
    named = authfile or settings.authfile
    return RegistrySettings(
        endpoints={
            name: Endpoint(name, plain_http=entry.plain_http, ca_file=_path(entry.ca_file))
            for name, entry in settings.registries.items()
        },
        mirrors={
            name: tuple(_mirror(mirror) for mirror in entry.mirrors)
            for name, entry in settings.registries.items()
            if entry.mirrors
        },
        authfile=_path(named),
    )


def _mirror(mirror: Mirror | str) -> Endpoint | str:
    if isinstance(mirror, str):
        return mirror
    parsed = Endpoint.parse(mirror.endpoint)
    return Endpoint(
        parsed.host, parsed.prefix, mirror.plain_http or parsed.plain_http, _path(mirror.ca_file)
    )


def _path(text: str) -> Path | None:
    return Path(text) if text else None
