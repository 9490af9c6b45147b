# SPDX-License-Identifier: Apache-2.0
"""An image made on the spot: one static busybox, and the script that it begins with."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

BUSYBOX = Path("/usr/bin/busybox")
TOOLS = ("sh", "cat", "echo", "ls", "sleep", "stat", "touch", "test", "id", "grep", "kill", "yes")


def archive(name: str, entrypoint: str) -> bytes:
    """A docker archive of the image `name`, whose entry point is that shell script."""
    layer = _layer()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": ["/bin/sh", "-c", entrypoint], "Env": ["PATH=/bin"]},
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"],
            },
            "history": [{"created_by": "a test"}],
        }
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]
    with io.BytesIO() as sink:
        with tarfile.open(fileobj=sink, mode="w") as tar:
            _add(tar, config_name, config)
            _add(tar, "layer.tar", layer)
            _add(tar, "manifest.json", json.dumps(manifest).encode())
        return sink.getvalue()


def _layer() -> bytes:
    with io.BytesIO() as sink:
        with tarfile.open(fileobj=sink, mode="w") as tar:
            _add(tar, "bin/busybox", BUSYBOX.read_bytes(), 0o755)
            for tool in TOOLS:
                link = tarfile.TarInfo(f"bin/{tool}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
            for place in ("proc", "sys", "dev", "etc", "tmp"):
                directory = tarfile.TarInfo(place)
                directory.type, directory.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(directory)
        return sink.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    tar.addfile(member, io.BytesIO(content))
