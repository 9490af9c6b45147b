# SPDX-License-Identifier: Apache-2.0
"""One pull by the registry client, as its tests ask for it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from launcher.errors import ImageError
from launcher.monitor import SilentMonitor
from launcher.references import Reference
from launcher.registry.endpoint import RegistrySettings
from launcher.registry.pull import Fetched, fetch
from launcher.registry.watch import Watch
from tests.launcher.small_images import (
    SmallImage,
    make_image,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.launcher.registry_faults import FaultyRegistry, Handler

IMAGE = make_image((b"one", os.urandom(200_000)))


def get(
    name: str,
    directory: Path,
    settings: RegistrySettings | None = None,
    *,
    monitor: SilentMonitor | None = None,
    timeout: float = 30,
) -> Fetched:
    watch = Watch(timeout)
    return watch.run(
        lambda: fetch(
            Reference.parse(name),
            settings=settings or RegistrySettings(),
            directory=directory,
            held="",
            watch=watch,
            monitor=monitor or SilentMonitor(),
        )
    )


def failure(name: str, directory: Path, settings: RegistrySettings | None = None) -> ImageError:
    with pytest.raises(ImageError) as caught:
        get(name, directory, settings)
    assert caught.value.hint
    assert "secret" not in json.dumps(caught.value.as_json())
    return caught.value


def spooled(directory: Path) -> dict[str, bytes]:
    return {f"sha256:{path.name}": path.read_bytes() for path in directory.iterdir()}


def bearer(server: FaultyRegistry, token: str, realm: str) -> None:
    """Want a token, from a place that hands it out to whoever asks."""

    def fault(handler: Handler) -> bool:
        if handler.path.startswith("/token"):
            return handler.answer(200, json.dumps({"token": token}).encode())
        if handler.headers.get("Authorization") == f"Bearer {token}":
            return False
        challenge = f'Bearer realm="{realm}",service="a registry",scope="repository:app:pull"'
        return handler.answer(401, b"{}", WWW_Authenticate=challenge)

    server.faults.append(fault)


def big_blob(image: SmallImage) -> tuple[str, bytes]:
    return max(image.blobs.items(), key=lambda item: len(item[1]))
