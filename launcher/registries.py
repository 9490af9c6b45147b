# SPDX-License-Identifier: Apache-2.0
"""The registries that the settings describe, in the terms of the registry client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from launcher.registry.endpoint import Endpoint, RegistrySettings

if TYPE_CHECKING:
    from launcher import settings as settings_
    from launcher.settings import Settings


def from_settings(settings: Settings, authfile: str = "") -> RegistrySettings:
    """Endpoints and mirrors of `[registries]`; a flag's auth file wins over the settings'."""
    entries = settings.registries.items()
    return RegistrySettings(
        endpoints={name: _endpoint(name, entry) for name, entry in entries},
        mirrors={name: tuple(entry.mirrors) for name, entry in entries if entry.mirrors},
        authfile=_path(authfile or settings.authfile),
    )


def _endpoint(name: str, entry: settings_.RegistrySettings) -> Endpoint:
    return Endpoint(
        name,
        plain_http=entry.plain_http,
        ca_file=_path(entry.ca_file),
        username=entry.username,
        password=entry.password,
        identity_token=entry.identity_token,
    )


def _path(text: str) -> Path | None:
    return Path(text) if text else None
