# SPDX-License-Identifier: Apache-2.0
"""Why the last start failed: kept until the next one succeeds or somebody closes the door."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from typing import Final

from launcher import door, files
from launcher.errors import HatchwayError

FILE: Final = door.RUN / "admin-failure.json"


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """`when` is in seconds since the epoch."""

    code: str
    message: str
    hint: str
    when: float


def record(error: BaseException) -> None:
    if isinstance(error, HatchwayError):
        failure = Failure(error.code, error.message, error.hint, time.time())
    else:
        what = f"the start was cut off by {error}" if str(error) else "the start was cut off"
        failure = Failure("door.interrupted", what, "Start it again.", time.time())
    with contextlib.suppress(HatchwayError):  # never hides the error itself
        files.write(FILE, json.dumps(dataclasses.asdict(failure)).encode())


def read() -> Failure | None:
    try:
        return Failure(**json.loads(FILE.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def forget() -> None:
    FILE.unlink(missing_ok=True)
