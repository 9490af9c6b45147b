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

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

    from launcher.image_names import Terms
    from launcher.incoming import Limits
    from launcher.monitor import Monitor
    from launcher.references import Reference
    from launcher.registry.endpoint import RegistrySettings
    from launcher.registry.manifests import Manifest
    from launcher.registry.pull import Fetched
    from launcher.registry.watch import Watch
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
    if found and task.is_settled(policy):
        return found
    if policy is Pull.NEVER or task.is_local():
        why = "pulling was ruled out" if policy is Pull.NEVER else "that name has no registry"
        message = f"{reference} is not in {runtime.name}, and {why}"
        hint = "Load it (hatchway image load FILE), or name one that a registry has (--image)."
        raise ImageError("image.missing", message, hint)
    try:
        return task.pull(policy)
    except (ImageError, HostError) as error:
        if not found or error.code not in UNREACHABLE:
            raise
        monitor.note(f"{error.message}; using the image that is here")
        return found


def find(reference: Reference, *, runtime: Runtime, store: Path) -> Image | None:
    """Find the image in the engine; a pin counts only when its digest is known to match."""
    image = runtime.find_image(reference.local_name())
    if image is None:
        return None
    entries = image_record.read(store / RECORD)
    if reference.digest:
        return _pinned(image, reference.digest, entries)
    entry = entries.get(str(reference))
    if entry and entry.names(image.runs_as):
        return image.identified(entry.config_digest, entry.digest)
    return image


def _pinned(image: Image, pin: str, entries: dict[str, image_record.Entry]) -> Image | None:
    for entry in entries.values():
        if pin in (entry.digest, entry.manifest_digest) and entry.names(image.runs_as):
            return image.identified(entry.config_digest, pin)
    if pin in (image.manifest_digest, image.runs_as):
        return dataclasses.replace(image, manifest_digest=pin)
    return None


def load(
    source: Path | IO[bytes],
    *,
    runtime: Runtime,
    store: Path,
    monitor: Monitor,
    timeout: float,
    terms: Terms,
    limits: Limits,
) -> Image:
    """Give the engine the image in an archive: a path, or a stream such as standard input.

    Takes what `docker save` and `podman save` make, for every engine alike. Raises `ImageError`
    (`image.archive`, `image.platform`, `image.reserved`, `image.digest`) or `HostError`.
    """
    from launcher import disk_space, image_names
    from launcher.incoming import inspect_archive

    files.own_directory(store)
    monitor.step("reading the image archive")
    with inspect_archive(source, scratch=store, limits=limits) as incoming:
        name = image_names.choose(incoming, terms, runtime)
        # The archive itself lies there too, until the engine has unpacked it.
        needs = archive.size(incoming.manifest) + incoming.needs
        disk_space.check(runtime.storage(), needs, files=incoming.files, reserve=limits.reserve)
        monitor.step(f"loading {name} into {runtime.name}")
        chunks = archive.write(incoming.manifest, name, incoming.read)
        counted = _counted(chunks, monitor, archive.size(incoming.manifest))
        runtime.load_image(counted, timeout=timeout)
        entry = _entry(incoming.manifest, incoming.manifest.digest)
        image = _loaded(runtime, name, entry)
    image_record.remember(store / RECORD, name, entry)
    return image


@dataclasses.dataclass(frozen=True, slots=True)
class _Task:
    reference: Reference
    runtime: Runtime
    registries: RegistrySettings
    store: Path
    monitor: Monitor
    end: float

    def cached(self) -> Image | None:
        return find(self.reference, runtime=self.runtime, store=self.store)

    def is_local(self) -> bool:
        """Tell whether the name is one that only builds and loads give: podman's `localhost/`."""
        known = (*self.registries.endpoints, *self.registries.mirrors)
        return self.reference.registry == "localhost" and "localhost" not in known

    def is_settled(self, policy: Pull) -> bool:
        """Tell whether an image that is here needs no word of a registry."""
        return policy is not Pull.ALWAYS or bool(self.reference.digest) or self.is_local()

    def pull(self, policy: Pull) -> Image:
        files.own_directory(self.store)
        with hold(self.store / LOCK, timeout=self._left(), monitor=self.monitor, what="pulling"):
            # Whoever held the lock may have pulled it for us.
            found = self.cached() if policy is Pull.MISSING else None
            return found or self._pull()

    def _pull(self) -> Image:
        self.monitor.step(f"looking for {self.reference}")
        fetched = self._fetch()
        name = self.reference.local_name()
        if fetched.spool:
            self.monitor.step(f"loading {name} into {self.runtime.name}")
            chunks = archive.write(fetched.manifest, name, fetched.spool.read)
            counted = _counted(chunks, self.monitor, archive.size(fetched.manifest))
            self.runtime.load_image(counted, timeout=self._left())
        entry = _entry(fetched.manifest, fetched.digest)
        image = _loaded(self.runtime, name, entry)
        image_record.remember(self.store / RECORD, str(self.reference), entry)
        if fetched.spool:
            fetched.spool.clear()
        return image

    def _fetch(self) -> Fetched:
        from launcher.registry.watch import Watch

        image = self.runtime.find_image(self.reference.local_name())
        held = image.runs_as if image else ""
        watch = Watch(self._left())
        try:
            return watch.run(lambda: self._fetch_within(watch, held))
        except TimeoutError:
            message = f"{self.reference} did not come within the time limit"
            if watch.trouble:
                message += f"; the last trouble was: {watch.trouble}"
            hint = "Try again: what came is kept. Raise --timeout, or set a nearer mirror."
            raise ImageError("image.timeout", message, hint) from None

    def _fetch_within(self, watch: Watch, held: str) -> Fetched:
        from launcher.registry.pull import fetch

        return fetch(
            self.reference,
            settings=self.registries,
            directory=self.store / BLOBS,
            held=held,
            watch=watch,
            monitor=self.monitor,
        )

    def _left(self) -> float:
        return max(self.end - time.monotonic(), 0.0)


def _loaded(runtime: Runtime, name: str, entry: image_record.Entry) -> Image:
    """Find what was loaded: an engine's word that it took something is not enough."""
    image = runtime.find_image(name)
    if image is None or not entry.names(image.runs_as):
        message = f"{runtime.name} took {name}, but does not hold it under that name"
        raise ImageError("image.digest", message, "Look at what the engine says of its images.")
    return image.identified(entry.config_digest, entry.digest)


def _entry(manifest: Manifest, digest: str) -> image_record.Entry:
    return image_record.Entry(
        digest=digest,
        manifest_digest=manifest.digest,
        config_digest=manifest.config.digest,
        pulled=image_record.now(),
    )


def _counted(chunks: Iterator[bytes], monitor: Monitor, total: int) -> Iterator[bytes]:
    """Pass on an archive, and tell how much of it the engine has taken."""
    done = 0
    for chunk in chunks:
        yield chunk
        before, done = done, min(done + len(chunk), total)
        if done > before:
            monitor.progress("loading", done, total)
