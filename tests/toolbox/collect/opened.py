# SPDX-License-Identifier: Apache-2.0
"""A bundle as its reader sees it."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Opened:
    """`members` by their path below the one directory, which is `top`."""

    top: str
    members: dict[str, bytes]

    @classmethod
    def of(cls, packed: bytes) -> Self:
        """Unpack with the programs that an engineer has."""
        program = ("gzip", "-dc") if packed[:2] == b"\x1f\x8b" else ("zstd", "-qdc")
        plain = subprocess.run(program, input=packed, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
            members = {member.name: tar.extractfile(member) for member in tar.getmembers()}
            found = {name: stream.read() if stream else b"" for name, stream in members.items()}
        tops = {name.partition("/")[0] for name in found}
        assert len(tops) == 1, tops
        return cls(tops.pop(), {name.partition("/")[2]: data for name, data in found.items()})

    @classmethod
    def at(cls, path: Path) -> Self:
        return cls.of(path.read_bytes())

    @property
    def manifest(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.members["manifest.json"])
        return facts

    @property
    def page(self) -> str:
        return self.members["index.html"].decode()

    def item(self, path: str) -> dict[str, Any]:
        return next(item for item in self.manifest["items"] if item["path"] == path)

    def statuses(self) -> dict[str, str]:
        """By recipe line, for those too that left nothing."""
        return {
            item["recipe"].rpartition("/")[2]: item["status"] for item in self.manifest["items"]
        }

    def check(self) -> None:
        """Every member is in the manifest with its hash, and the other way round."""
        listed = {item["path"]: item for item in self.manifest["items"] if item["path"]}
        assert listed.keys() == self.members.keys() - {"manifest.json", "index.html"}
        for path, item in listed.items():
            content = self.members[path]
            assert (item["kept"], item["sha256"]) == (
                len(content),
                hashlib.sha256(content).hexdigest(),
            )
