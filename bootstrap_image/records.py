# SPDX-License-Identifier: Apache-2.0
"""Records of steps on the host's disk: at once the result, and whether a step is to run again.

One file for both, so that no power cut can come between them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bootstrap_image.files import Directory
from bootstrap_image.spec import ANY_INSTANCE, STATE, Record, Status, scope
from bootstrap_image.step import Frequency

if TYPE_CHECKING:
    from bootstrap_image.step import Step

_RECORD_LIMIT: Final = 1 << 20
# A script that fills the disk must not take its own result, and the others', with it.
_RESERVE: Final = "reserve"
_RESERVE_SIZE: Final = 256 << 10


class Records:
    """The records of one instance."""

    def __init__(self, instance_id: str, state: str = STATE) -> None:
        place = Path(state)
        # /var/lib is the host's; from `hatchway` on, directories are ours alone.
        self._names = place.parts[-2:]
        self._base = place.parent.parent
        # A script may mount something over it: what was finished before must not be lost by that.
        self._kept = os.open(self._base, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._scope = scope(instance_id)
        with self._open() as directory:
            directory.reserve(_RESERVE, _RESERVE_SIZE)

    def read(self, step: Step) -> Record | None:
        """What is known of a step; a damaged record counts as none."""
        with self._open("steps", self._scope_of(step), step.job) as directory:
            try:
                data = directory.read(self._file(step), limit=_RECORD_LIMIT)
                return Record.from_json(data.decode())
            except (OSError, ValueError):
                # None, a damaged one, or a link that somebody planted: writing replaces it.
                return None

    def done(self, step: Step) -> bool:
        """Whether the step has run as often as it is to."""
        if step.frequency is Frequency.ALWAYS:
            return False
        record = self.read(step)
        if step.frequency is Frequency.ONCE_ATTEMPTED:
            return record is not None
        return record is not None and record.status is Status.SUCCEEDED

    def write(self, step: Step, record: Record) -> None:
        self._write(record.to_json(), self._file(step), "steps", self._scope_of(step), step.job)

    def write_summary(self, text: str) -> None:
        self._write(text, "summary.json")

    def path(self, step: Step) -> str:
        """Where the record is, below STATE."""
        return os.fspath(Path("steps", self._scope_of(step), step.job, self._file(step)))

    def _write(self, text: str, name: str, *names: str) -> None:
        self._write_here(text, name, *names)
        # Whoever asks by path should find it as well, now and at a boot that mounts this first.
        with contextlib.suppress(OSError):
            if not os.path.samestat(self._base.stat(), os.fstat(self._kept)):
                with Directory.open(self._base, *self._names, *names) as directory:
                    directory.write(name, text)

    def _write_here(self, text: str, name: str, *names: str) -> None:
        try:
            with self._open(*names) as directory:
                directory.write(name, text)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            with self._open() as directory:
                directory.remove(_RESERVE)
            with self._open(*names) as directory:
                directory.write(name, text)

    def _open(self, *names: str) -> Directory:
        return Directory.open(self._base, *self._names, *names, within=self._kept)

    def _scope_of(self, step: Step) -> str:
        return ANY_INSTANCE if step.frequency is Frequency.ONCE_EVER else self._scope

    @staticmethod
    def _file(step: Step) -> str:
        # Its place in the message is no part of it: a part put before it must not run it again.
        name = re.sub(r"[^A-Za-z0-9._-]", "_", step.kind)
        return f"{name}-{step.sha256}-{step.occurrence}.json"
