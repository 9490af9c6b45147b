# SPDX-License-Identifier: Apache-2.0
"""A target's namespaces by descriptors of ours: a path below its pid may lead to another process.

Between the look at a target and its engine's start of a container beside it lies a pull, perhaps;
by then the target may have ended, and its pid may be somebody else's.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import TYPE_CHECKING

from launcher.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from launcher.plan import Plan
    from toolbox.target.found import Target


@contextlib.contextmanager
def pinned(plan: Plan, target: Target | None) -> Iterator[Plan]:
    """The plan with what it joins of `target` by paths that lead there and nowhere else.

    They are good until the end of this context, so that the container has to be made within it.
    `TargetError("target.gone")` when the target is no longer what it was.
    """
    place = f"/proc/{target.process.pid}/" if target else ""
    if target is None or not any(path.startswith(place) for path in plan.joins.values()):
        yield plan
        return
    with contextlib.ExitStack() as stack:
        directory = _open(target, place, os.O_PATH | os.O_DIRECTORY, stack)
        # Opened before it is compared: what this is the directory of cannot change any more.
        if not target.process.alive():
            raise _gone(target)
        joins = {
            kind: _path(_open(target, path.removeprefix(place), os.O_RDONLY, stack, directory))
            if path.startswith(place)
            else path
            for kind, path in plan.joins.items()
        }
        yield dataclasses.replace(plan, joins=joins)


def _open(
    target: Target, path: str, flags: int, stack: contextlib.ExitStack, directory: int | None = None
) -> int:
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC, dir_fd=directory)
    except (FileNotFoundError, ProcessLookupError):
        raise _gone(target) from None
    stack.callback(os.close, descriptor)
    return descriptor


def _path(descriptor: int) -> str:
    """The descriptor as an engine finds it, which runs on this host as we do."""
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def _gone(target: Target) -> TargetError:
    message = f"{target.name} ended before the container beside it was started"
    return TargetError("target.gone", message, "Look for it again.")
