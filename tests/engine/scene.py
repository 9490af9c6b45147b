# SPDX-License-Identifier: Apache-2.0
"""What `attempts.py` is let loose on: files, sockets, a port and a process of the host."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import socket
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import daemons

if TYPE_CHECKING:
    from collections.abc import Iterator

ATTEMPTS = Path(__file__).with_name("attempts.py").read_text()


@dataclasses.dataclass(frozen=True)
class Scene:
    """A directory of the host, a process of root, and a port on loopback."""

    place: Path
    pid: int
    port: int

    def arguments(self, base: str, pid: int) -> str:
        return json.dumps({"base": base, "pid": pid, "port": self.port})


@contextlib.contextmanager
def scene() -> Iterator[Scene]:
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(daemons.short_directory())
        place.chmod(0o755)
        furnish(place)
        for name, kind in (("stream", socket.SOCK_STREAM), ("datagrams", socket.SOCK_DGRAM)):
            daemon = stack.enter_context(socket.socket(socket.AF_UNIX, kind))
            daemon.bind(str(place / name))
            (place / name).chmod(0o777)
            if kind == socket.SOCK_STREAM:
                daemon.listen()
        port = stack.enter_context(socket.socket())
        port.bind(("127.0.0.1", 0))
        port.listen()
        stack.enter_context(socket.create_connection(port.getsockname()))
        process = subprocess.Popen(("sleep", "10000"))
        stack.callback(process.wait)
        stack.callback(process.kill)
        yield Scene(place, process.pid, port.getsockname()[1])


def foreign(archive: Path, place: Path) -> str:
    """Write the admin image as somebody else's, without the label that makes it ours; its name."""
    with tarfile.open(archive) as read, tarfile.open(place, "w") as written:
        manifest = _member(read, "manifest.json")
        config = _member(read, manifest[0]["Config"])
        config["config"]["Labels"] = {}
        config["config"]["Entrypoint"] = None
        text = json.dumps(config).encode()
        digest = hashlib.sha256(text).hexdigest()
        name, tag = f"{digest}.json", f"localhost/foreign:{digest[:12]}"
        _write(written, name, text)
        for layer in manifest[0]["Layers"]:
            written.addfile(read.getmember(layer), read.extractfile(layer))
        again = [{"Config": name, "RepoTags": [tag], "Layers": manifest[0]["Layers"]}]
        _write(written, "manifest.json", json.dumps(again).encode())
    return tag


def _member(archive: tarfile.TarFile, name: str) -> Any:
    stream = archive.extractfile(name)
    assert stream is not None
    return json.load(stream)


def _write(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def furnish(place: Path) -> None:
    (place / "file").write_text("of root")
    (place / "file").chmod(0o600)
    (place / "everyones").write_text("everyone's")
    (place / "everyones").chmod(0o666)
    os.mkfifo(place / "fifo")
    (place / "fifo").chmod(0o666)
    (place / "directory").mkdir()
    (place / "directory/removed").touch()
    (place / "directory").chmod(0o777)
