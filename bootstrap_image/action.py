# SPDX-License-Identifier: Apache-2.0
"""What a step does in its process: a script from a file of its own, or a module of ours."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bootstrap_image import child
from bootstrap_image.host import Host, ModuleError
from bootstrap_image.modules import BY_NAME
from bootstrap_image.spec import TMP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bootstrap_image.step import Step

# Below the container's own /tmp: it allows programs, is in memory, and ends with the container.
SCRIPTS: Final = f"{TMP}/hatchway-bootstrap"


@contextlib.contextmanager
def prepared(
    step: Step, environment: Mapping[str, str], place: str = SCRIPTS
) -> Iterator[Callable[[int], int]]:
    """What `attempt` is to run."""
    if step.kind == "module":
        yield lambda _: _apply(step, environment)
        return
    path = _write(step, place)
    try:
        yield lambda report: child.run_program((path,), environment, report)
    finally:
        with contextlib.suppress(OSError):
            Path(path).unlink()


def explain(step: Step, number: int, place: str = SCRIPTS) -> str:
    """Why a script could not even start."""
    line = step.content.partition(b"\n")[0][2:].decode(errors="replace").strip()
    interpreter = line.split()[0] if line.split() else line
    if number in (errno.ENOENT, errno.ENOTDIR):
        return (
            f"{interpreter} is not in the bootstrap image; use another interpreter, or a "
            "bootstrap container with an image of your own"
        )
    if number == errno.EACCES and os.statvfs(place).f_flag & os.ST_NOEXEC:
        return f"{place} does not allow programs (noexec): the launcher has to mount it otherwise"
    return f"{interpreter} cannot be run: {os.strerror(number)}"


def _write(step: Step, place: str) -> str:
    """For nobody but us: scripts carry secrets."""
    Path(place).mkdir(mode=0o700, exist_ok=True)
    path = Path(place, step.name)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o700)
    with os.fdopen(descriptor, "wb") as file:
        file.write(step.content)
    return os.fspath(path)


def _apply(step: Step, environment: Mapping[str, str]) -> int:
    os.environ.clear()
    os.environ.update(environment)
    given, host = json.loads(step.content), Host()
    try:
        BY_NAME[given["module"]].act(given["params"], host)
    except (ModuleError, OSError) as error:
        host.say(f"error: {error}")
        return 1
    return 0
