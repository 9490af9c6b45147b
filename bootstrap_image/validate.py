# SPDX-License-Identifier: Apache-2.0
"""`validate FILE`: the steps that user data would become and all findings, and nothing is run."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bootstrap_image.interpreter import missing
from bootstrap_image.plan import plan
from bootstrap_image.spec import USER_DATA_LIMIT, Mode

if TYPE_CHECKING:
    from collections.abc import Sequence

_USAGE = 64


def main(arguments: Sequence[str]) -> int:
    """Print the plan of one file (`-`: stdin) as JSON; 1 when there are errors."""
    if len(arguments) not in (1, 2):
        sys.stderr.write("usage: validate FILE|- [once|once-attempted|always]\n")
        return _USAGE
    try:
        mode = Mode(arguments[1] if len(arguments) == 2 else Mode.ONCE)
        data = _read(arguments[0])
    except (OSError, ValueError) as error:
        sys.stderr.write(f"validate: {error}\n")
        return _USAGE
    made = plan(data, mode=mode)
    made = dataclasses.replace(made, findings=(*made.findings, *missing(made.steps)))
    sys.stdout.write(json.dumps(made.as_json(), indent=2) + "\n")
    return 0 if made.sound else 1


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(USER_DATA_LIMIT + 1)
    with Path(name).open("rb") as file:
        return file.read(USER_DATA_LIMIT + 1)
