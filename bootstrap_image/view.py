# SPDX-License-Identifier: Apache-2.0
"""The host at /host, to look at: sealed before the first step, and again when mounts have changed.

A guard against accidents, not against a script that means it: who may mount may also remount.
"""

from __future__ import annotations

import select
from pathlib import Path
from typing import TYPE_CHECKING

from hostview import mountinfo, seal

if TYPE_CHECKING:
    from bootstrap_image.log import Log


class View:
    """Everything mounted below `root` is read-only; an empty `root` is none, for tests."""

    def __init__(self, root: str, log: Log) -> None:
        self._root = root
        self._log = log
        # Opened first: a mount that appears while we seal is a change seen afterwards.
        self._mounts = Path(mountinfo.FILE).open("rb")  # noqa: SIM115 - open as long as we are
        self._changes = select.poll()
        self._changes.register(self._mounts, select.POLLPRI)
        if root:
            self._seal()

    def keep_sealed(self) -> None:
        """What a step mounted on the host shows here as well, and can be written until now."""
        if not self._root or not self._changes.poll(0):
            return
        try:
            if not (new := seal.writable(self._root)):
                return
            self._seal()
            self._log.say(f"{', '.join(new[:5])}: mounted meanwhile, and read-only now")
        except (OSError, ValueError) as error:
            # What was asked for is done where it was asked for; nobody gains by an end here.
            self._log.say(f"warning: {error}")

    def _seal(self) -> None:
        for point in seal.seal(self._root).detached:
            self._log.say(f"warning: {point} does not answer, and was taken out of {self._root}")
