# SPDX-License-Identifier: Apache-2.0
"""What a run is asked for, and what it has at hand."""

from __future__ import annotations

import dataclasses
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from launcher.bootstrap.batches import Batch
    from launcher.host import Host
    from launcher.monitor import Monitor
    from launcher.runtimes.base import Image, Runtime

    # Has the image in the runtime within so many seconds, or raises.
    Ensure = Callable[[str, Runtime, float], Image]
    # The image as the runtime holds it, or None; asks no registry.
    Find = Callable[[str, Runtime], Image | None]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that a run depends on; `timeout` in seconds bounds all of it.

    `source` is what named the instance.
    """

    batches: tuple[Batch, ...]
    instance_id: str
    source: str
    memory: int
    cpus: float
    pids: int
    timeout: float
    capabilities: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A run under way: `runtime` is asked for when it is needed; `until` is monotonic.

    `show` gets each line that the containers print.
    """

    request: Request
    host: Host
    runtime: Callable[[], Runtime]
    ensure: Ensure
    find: Find
    monitor: Monitor
    show: Callable[[str], None]
    until: float

    def left(self) -> float:
        """Seconds until all of it must have ended, and at least one for an orderly end."""
        return max(1.0, self.until - time.monotonic())

    def image(self, name: str) -> Image:
        return self.ensure(name, self.runtime(), self.left())


def proxies() -> dict[str, str]:
    """The proxies of our own environment, in both spellings, for what runs in the container."""
    return {
        spelling: os.environ[spelling]
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
        for spelling in (name, name.lower())
        if spelling in os.environ
    }
