# SPDX-License-Identifier: Apache-2.0
"""Which digest each pulled image came with: engines that load an archive do not know it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import msgspec

from launcher import files

if TYPE_CHECKING:
    from pathlib import Path

LIMIT: Final = 200  # entries; the oldest go first


class Entry(msgspec.Struct, frozen=True):
    """What a reference was when it was pulled.

    `digest` is what the reference named at the registry (an index, or the manifest itself),
    `manifest_digest` this machine's image in it; `pulled` is a UTC time, ISO 8601.
    """

    digest: str
    manifest_digest: str
    config_digest: str
    pulled: str

    def names(self, digest: str) -> bool:
        """Whether an engine may call this image by that digest."""
        return digest in (self.digest, self.manifest_digest, self.config_digest)


def read(path: Path) -> dict[str, Entry]:
    """Read the record by canonical reference; a missing or damaged one is empty."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Entry])
    except (OSError, ValueError, RecursionError):
        return {}


def remember(path: Path, reference: str, entry: Entry) -> None:
    entries = read(path)
    entries.pop(reference, None)  # so that it goes to the end
    entries[reference] = entry
    kept = dict(list(entries.items())[-LIMIT:])
    files.write(path, msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n", mode=0o644)


def now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
