# SPDX-License-Identifier: Apache-2.0
"""Images on this host: found, or pulled and given to the engine; whole, or not at all."""

from __future__ import annotations

import dataclasses
import enum
import time
from typing import TYPE_CHECKING, Final

from launcher import archive, files, image_record
from launcher.errors import HostError, ImageError
from launcher.locks import hold
from launcher.registry.pull import Fetched, fetch
from launcher.registry.watch import Watch

if TYPE_CHECKING:
    from pathlib import Path

    from launcher.monitor import Monitor
    from launcher.references import Reference
    from launcher.registry.endpoint import RegistrySettings
    from launcher.runtimes.base import Image, Runtime

RECORD: Final = "images.json"
BLOBS: Final = "blobs"
LOCK: Final = "images.lock"
# Failures that say nothing about the image, so that what is here may still be used.
UNREACHABLE: Final = frozenset(
    {
        "image.dns",
        "image.tcp",
        "image.tls",
        "image.timeout",
        "image.registry",
        "image.truncated",
        "host.disk-full",
        "host.read-only",
    }
)


class Pull(enum.StrEnum):
    """When the registry is asked."""

    MISSING = "missing"
    ALWAYS = "always"
    NEVER = "never"


def ensure(
    reference: Reference,
    *,
    runtime: Runtime,
    policy: Pull,
    registries: RegistrySettings,
    store: Path,
    monitor: Monitor,
    timeout: float,
) -> Image:
    """Give the image as the engine holds it, pulled within `timeout` seconds where needed.

    `store` is /var/lib/hatchway. With `missing`, an image that is here costs no network at all;
    with `always`, one that cannot be asked for is used as it is, with a note. Raises `ImageError`
    with the reason, `HostError` (disk full, busy), or what the runtime raises.
    """
    task = _Task(reference, runtime, registries, store, monitor, time.monotonic() + timeout)
    found = task.cached()
    if found and (policy is not Pull.ALWAYS or reference.digest):
        return found
    if policy is Pull.NEVER:
        message = f"{reference} is not in {runtime.name}, and pulling was ruled out"
        hint = "Pull or load it first: hatchway image pull, hatchway image load."
        raise ImageError("image.missing", message, hint)
    try:
        return task.pull(policy)
    except (ImageError, HostError) as error:
        if not found or error.code not in UNREACHABLE:
            raise
        monitor.note(f"{error.message}; using the image that is here")
        return found


@dataclasses.dataclass(frozen=True, slots=True)
class _Task:
    reference: Reference
    runtime: Runtime
    registries: RegistrySettings
    store: Path
    monitor: Monitor
    end: float

    def cached(self) -> Image | None:
        """Find the image in the engine; a pin counts only when its digest is known to match."""
        image = self.runtime.find_image(self.reference.local_name())
        if image is None:
            return None
        entries = image_record.read(self.store / RECORD)
        if self.reference.digest:
            return self._pinned(image, entries)
        entry = entries.get(str(self.reference))
        if entry and entry.config_digest == image.config_digest:
            return dataclasses.replace(image, manifest_digest=entry.digest)
        return image

    def pull(self, policy: Pull) -> Image:
        files.own_directory(self.store)
        with hold(self.store / LOCK, timeout=self._left(), monitor=self.monitor):
            # Whoever held the lock may have pulled it for us.
            found = self.cached() if policy is Pull.MISSING else None
            return found or self._pull()

    def _pull(self) -> Image:
        held = self.runtime.find_image(self.reference.local_name())
        self.monitor.step(f"looking for {self.reference}")
        watch = Watch(self._left())
        try:
            fetched = watch.run(lambda: self._fetch(watch, held.config_digest if held else ""))
        except TimeoutError:
            message = f"{self.reference} did not come within the time limit"
            hint = "Try again: what came is kept. Raise --timeout, or set a nearer mirror."
            raise ImageError("image.timeout", message, hint) from None
        if fetched.spool:
            self._load(fetched)
        image = self._verified(fetched)
        self._remember(fetched)
        if fetched.spool:
            fetched.spool.clear()
        return image

    def _fetch(self, watch: Watch, held: str) -> Fetched:
        return fetch(
            self.reference,
            settings=self.registries,
            directory=self.store / BLOBS,
            held=held,
            watch=watch,
            monitor=self.monitor,
        )

    def _load(self, fetched: Fetched) -> None:
        assert fetched.spool is not None  # noqa: S101 - looked at by the caller
        name = self.reference.local_name()
        self.monitor.step(f"loading {name} into {self.runtime.name}")
        load_stream = archive.write(fetched.manifest, name, fetched.spool.read)
        self.runtime.load_image(load_stream, timeout=self._left())

    def _verified(self, fetched: Fetched) -> Image:
        name = self.reference.local_name()
        image = self.runtime.find_image(name)
        if image is None or image.config_digest != fetched.manifest.config.digest:
            message = f"{self.runtime.name} took {name}, but does not hold it under that name"
            raise ImageError("image.digest", message, "Look at what the engine says of its images.")
        return dataclasses.replace(image, manifest_digest=fetched.digest)

    def _remember(self, fetched: Fetched) -> None:
        entry = image_record.Entry(
            digest=fetched.digest,
            manifest_digest=fetched.manifest.digest,
            config_digest=fetched.manifest.config.digest,
            pulled=image_record.now(),
        )
        image_record.remember(self.store / RECORD, str(self.reference), entry)

    def _pinned(self, image: Image, entries: dict[str, image_record.Entry]) -> Image | None:
        pin = self.reference.digest
        known = any(
            pin in (entry.digest, entry.manifest_digest)
            and entry.config_digest == image.config_digest
            for entry in entries.values()
        )
        if known or image.manifest_digest == pin:
            return dataclasses.replace(image, manifest_digest=pin)
        return None

    def _left(self) -> float:
        return max(self.end - time.monotonic(), 1.0)
