# SPDX-License-Identifier: Apache-2.0
"""A client of QEMU's own monitor: ends the machine, and plugs disks while it runs."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

_TIMEOUT = 30.0


class MonitorError(Exception):
    """QEMU refused a command."""


class Monitor:
    """One connection to the monitor; as a context manager it closes itself."""

    def __init__(self, path: Path) -> None:
        # One that nobody answers is closed here: a socket that is lost open fails some later test.
        with contextlib.ExitStack() as opened:
            self._socket = opened.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            self._socket.settimeout(_TIMEOUT)
            self._socket.connect(os.fspath(path))
            self._lines = opened.enter_context(self._socket.makefile("rb"))
            self._lines.readline()  # the greeting
            self.execute("qmp_capabilities")
            opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def execute(self, command: str, **arguments: Any) -> Any:
        """Run a command and return its answer; names of arguments have `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        self._socket.sendall(json.dumps({"execute": command, "arguments": named}).encode())
        while line := self._lines.readline():
            answer = json.loads(line)
            if "error" in answer:
                raise MonitorError(answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]
            # Anything else is an event; nothing here waits for one.
        raise ConnectionResetError("QEMU closed its monitor")

    def quit(self) -> None:
        # QEMU may be gone before it has answered.
        with contextlib.suppress(OSError):
            self.execute("quit")

    def plug_disk(self, name: str, image: Path) -> None:
        """Plug a read-only disk; in the host it is /dev/disk/by-id/virtio-NAME."""
        file = {"driver": "file", "filename": os.fspath(image)}
        self.execute("blockdev-add", driver="raw", node_name=name, read_only=True, file=file)
        self.execute(
            "device_add", driver="virtio-blk-pci", id=f"dev-{name}", drive=name, serial=name
        )

    def plug_cd(self, name: str, image: Path) -> None:
        """Plug a drive with a disc, and what connects it; in the host it is /dev/sr0."""
        file = {"driver": "file", "filename": os.fspath(image)}
        self.execute("blockdev-add", driver="raw", node_name=name, read_only=True, file=file)
        self.execute("device_add", driver="virtio-scsi-pci", id=f"bus-{name}")
        bus = f"bus-{name}.0"
        self.execute("device_add", driver="scsi-cd", id=f"dev-{name}", bus=bus, drive=name)

    def unplug_cd(self, name: str) -> None:
        self.unplug_disk(name)
        self.execute("device_del", id=f"bus-{name}")

    def unplug_disk(self, name: str) -> None:
        self.execute("device_del", id=f"dev-{name}")
        deadline = time.monotonic() + _TIMEOUT
        # The host has to let go first; until then the image is in use.
        while True:
            try:
                self.execute("blockdev-del", node_name=name)
            except MonitorError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return
