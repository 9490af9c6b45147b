# SPDX-License-Identifier: Apache-2.0
"""`bootstrap validate`: what the image makes of user data, and nothing of it is run.

Only the image knows the forms of user data. It looks at them in a container that has no rights,
no network, and nothing of the host but a copy of the data: ctr loses the end of a standard input
that comes early.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bootstrap_image import spec
from launcher import contract, files, interrupt, process
from launcher.deadline import CLEAN_UP, Deadline
from launcher.errors import ContainerError, HatchwayError, SettingsError
from launcher.plan import Mount
from launcher.profiles import check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from launcher.host import Host
    from launcher.runtimes.base import Image, Runtime

PLACE: Final = "/user-data"
COMMAND: Final = ("/usr/bin/python3", "-I", "-m", "bootstrap_image", "validate", PLACE)
LIMIT: Final = 60.0  # seconds
_ANSWERS: Final = (0, 1)  # exit statuses of a check that came to its end


def read(name: str) -> bytes:
    """The file to look at; `SettingsError` when it cannot be read."""
    try:
        with Path(name).open("rb") as stream:
            return stream.read(spec.USER_DATA_LIMIT + 1)  # one more: that is then a finding
    except OSError as error:
        message = f"cannot read {name}: {error.strerror}"
        raise SettingsError("settings.unreadable", message, "Check the path.") from None


def look(data: bytes, image: Image, host: Host, runtime: Runtime, *, asked: str) -> dict[str, Any]:
    """The documented JSON form: `valid`, and all `findings` and `steps`."""
    contract.require(image, label=spec.CONTRACT_LABEL, contract=spec.CONTRACT, asked=asked)
    name = f"hatchway-check-{os.getpid()}"
    with interrupt.noted(), tempfile.TemporaryDirectory(prefix="hatchway-") as scratch:
        copy = Path(scratch, "user-data")
        # For the container's nobody; the directory around it is nobody else's to enter.
        files.write(copy, data, mode=0o644)
        mount = Mount(source=str(copy), target=PLACE, read_only=True, reason="what to look at")
        planned = check.plan(image, host, name=name, command=COMMAND, mount=mount)
        try:
            argv = runtime.foreground(planned, interactive=False, scratch=Path(scratch))
            done = process.run(argv, timeout=LIMIT, check=False)
        finally:
            with interrupt.held(), contextlib.suppress(HatchwayError):
                runtime.within(Deadline.after(CLEAN_UP)).remove(name, grace=0)
    if done.status not in _ANSWERS:
        message = f"the check did not come to its end: {done.complaint()}"
        raise ContainerError("container.died", message, "Try another engine: --runtime")
    return _facts(done.stdout)


def lines(facts: dict[str, Any], name: str) -> Iterator[str]:
    """One line for each finding, and one that says what all of it would come to."""
    for finding in facts["findings"]:
        yield f"{finding['severity']}: {finding['path']}: {finding['message']}"
    steps = len(facts["steps"])
    known = f"{steps} step{'' if steps == 1 else 's'}"
    yield f"{name}: {known}, {'no errors' if facts['valid'] else 'not all of it is understood'}"


def _facts(text: bytes) -> dict[str, Any]:
    try:
        said = json.loads(text)
        findings, steps = said["findings"], said["steps"]
        errors = [each for each in findings if each["severity"] == "error"]
    except (ValueError, TypeError, KeyError):
        message = "the image gave an answer that makes no sense"
        hint = "Take the image of the launcher's own release."
        raise ContainerError("container.died", message, hint) from None
    return {"valid": not errors, "findings": findings, "steps": steps}
