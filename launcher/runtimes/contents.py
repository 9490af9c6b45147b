# SPDX-License-Identifier: Apache-2.0
"""The images that a containerd holds, read from its content store."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from launcher.runtimes.base import Image

if TYPE_CHECKING:
    from launcher.runtimes.ctr import Ctr

DATA: Final = Path("/var/lib")


@dataclasses.dataclass(frozen=True)
class Contents:
    """Images by name or config digest, and whatever is stored under a digest."""

    ctr: Ctr
    # What is named by its digest never changes, and each question costs a process.
    _read: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    def find(self, name: str) -> Image | None:
        lines = self.ctr("images", "ls").text().splitlines()[1:]
        for fields in (line.split() for line in lines):
            if len(fields) > 2 and fields[0] == name:
                return self._image(name, fields[2])
        if name.startswith("sha256:"):
            known = (self._image(fields[0], fields[2]) for fields in map(str.split, lines))
            return next((image for image in known if image.config_digest == name), None)
        return None

    def read(self, digest: str) -> dict[str, Any]:
        """The JSON document under that digest."""
        if digest not in self._read:
            stored = self._stored(digest) or self.ctr("content", "get", digest).stdout
            self._read[digest] = json.loads(stored)
        return self._read[digest]

    def _stored(self, digest: str) -> bytes | None:
        """Straight from the usual place, which saves a process; its name proves what is found."""
        data = DATA / Path(self.ctr.socket).parent.name  # as /run/containerd
        kind, _, name = digest.partition(":")
        if kind != "sha256" or not name.isalnum():
            return None
        place = data / "io.containerd.content.v1.content/blobs/sha256" / name
        try:
            found = place.read_bytes()
        except OSError:
            return None
        return found if hashlib.sha256(found).hexdigest() == name else None

    def _image(self, name: str, target: str) -> Image:
        digest = self._manifest(target)["config"]["digest"]
        labels = self.read(digest).get("config", {}).get("Labels") or {}
        return Image(name, digest, target, labels)

    def _manifest(self, digest: str) -> dict[str, Any]:
        """The image manifest behind `digest`, through an index if need be."""
        manifest = self.read(digest)
        while "manifests" in manifest:
            from launcher.registry import platform

            manifest = self.read(platform.choose(manifest["manifests"]))
        return manifest
