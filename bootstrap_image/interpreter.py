# SPDX-License-Identifier: Apache-2.0
"""Whether this image has the interpreter that a script names: a boot is too late to find out."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from bootstrap_image import places
from bootstrap_image.environment import PATH
from bootstrap_image.findings import Finding, printable
from bootstrap_image.spec import HOST, WRITABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bootstrap_image.step import Step


def missing(steps: tuple[Step, ...]) -> Iterator[Finding]:
    """A finding for each script that this image could not run."""
    for step in steps:
        if step.kind == "script" and (found := _missing(step.content, step.source)):
            yield found


def _missing(script: bytes, path: str) -> Finding | None:
    program, *words = os.fsdecode(script.partition(b"\n")[0][2:]).split()
    # The host's own are not here when user data is only validated.
    if places.below(program, (*WRITABLE, HOST)):
        return None
    if not shutil.which(program):
        return Finding(path, f"the image has no {printable(program)}")
    name = _command(words) if program.endswith("/env") else ""
    if not name or shutil.which(name, path=PATH):
        return None
    where = "it has to be in the host's /usr/local"
    return Finding(path, f"the image has no {printable(name)}: {where}", "warning")


def _command(words: list[str]) -> str:
    """The program that env(1) is to run: after its options and assignments."""
    return next((word for word in words if not word.startswith("-") and "=" not in word), "")
