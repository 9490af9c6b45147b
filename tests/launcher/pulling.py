# SPDX-License-Identifier: Apache-2.0
"""A pull with nothing of interest but the image, the engine and the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from launcher import images
from launcher.images import Pull
from launcher.monitor import SilentMonitor
from launcher.references import Reference
from launcher.registry.endpoint import RegistrySettings

if TYPE_CHECKING:
    from pathlib import Path

    from launcher.runtimes.base import Image, Runtime


def pull(
    reference: str,
    runtime: Runtime,
    store: Path,
    policy: Pull = Pull.MISSING,
    settings: RegistrySettings | None = None,
) -> Image:
    return images.ensure(
        Reference.parse(reference),
        runtime=runtime,
        policy=policy,
        registries=settings or RegistrySettings(),
        store=store,
        monitor=SilentMonitor(),
        timeout=60,
    )
