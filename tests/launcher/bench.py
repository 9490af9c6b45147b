# SPDX-License-Identifier: Apache-2.0
"""A host on which images are looked for: its engine is the one part that is not real."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
from typing import IO, TYPE_CHECKING, cast

from launcher import images
from launcher.image_names import Terms
from launcher.images import Pull
from launcher.incoming import Limits
from launcher.monitor import SilentMonitor
from launcher.references import Reference
from launcher.registry.endpoint import RegistrySettings
from launcher.runtimes.base import USUAL_STORAGE, Image

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from launcher.runtimes.base import Runtime
    from tests.launcher.registry_faults import FaultyRegistry


class FakeEngine:
    """Holds what it is given, by the name in the archive; counts what it is asked.

    With `by_manifest` it calls images as docker with containerd's image store does.
    """

    name = "a fake engine"

    def __init__(self, *, by_manifest: bool = False) -> None:
        self.by_manifest = by_manifest
        self.images: dict[str, Image] = {}
        self.loads = 0
        self.fail: Exception | None = None

    def find_image(self, name: str) -> Image | None:
        return self.images.get(name)

    def load_image(self, archive: Iterable[bytes], *, timeout: float) -> None:  # noqa: ARG002
        self.loads += 1
        if self.fail:
            raise self.fail
        data = b"".join(archive)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            stream = cast("IO[bytes]", tar.extractfile("manifest.json"))
            [entry] = json.loads(stream.read())
            stream = cast("IO[bytes]", tar.extractfile("index.json"))
            [manifest] = json.loads(stream.read())["manifests"]
        digest = "sha256:" + entry["Config"].rpartition("/")[2]
        self.hold(entry["RepoTags"][0], manifest["digest"] if self.by_manifest else digest)

    def storage(self) -> Path:
        return USUAL_STORAGE

    def hold(self, name: str, config_digest: str) -> None:
        self.images[name] = Image(name, config_digest)


@dataclasses.dataclass
class Bench:
    """One host: an engine, a store, and a registry that may misbehave."""

    server: FaultyRegistry
    store: Path
    engine: FakeEngine = dataclasses.field(default_factory=FakeEngine)
    monitor: SilentMonitor = dataclasses.field(default_factory=SilentMonitor)
    settings: RegistrySettings = dataclasses.field(default_factory=RegistrySettings)

    def name(self, rest: str = "app:v1") -> str:
        return f"{self.server.host}/{rest}"

    def ensure(
        self, rest: str = "app:v1", policy: Pull = Pull.MISSING, timeout: float = 20
    ) -> Image:
        return images.ensure(
            Reference.parse(self.name(rest)),
            runtime=cast("Runtime", self.engine),
            policy=policy,
            registries=self.settings,
            store=self.store,
            monitor=self.monitor,
            timeout=timeout,
        )

    def load(
        self, archive: bytes, terms: Terms | None = None, limits: Limits | None = None
    ) -> Image:
        return images.load(
            io.BytesIO(archive),
            runtime=cast("Runtime", self.engine),
            store=self.store,
            monitor=self.monitor,
            timeout=20,
            terms=terms or Terms(),
            limits=limits or Limits(),
        )

    def left(self) -> list[str]:
        return [path.name for path in (self.store / "blobs").iterdir()]
