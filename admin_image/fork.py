# SPDX-License-Identifier: Apache-2.0
"""Work in a child of its own, of which nothing comes back but a status."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hostview import descriptors

if TYPE_CHECKING:
    from collections.abc import Callable

FAILED = 125


def fork(work: Callable[[], int]) -> int:
    """Do `work` in a child, which ends with its status; returns the child."""
    pid = os.fork()
    if pid == 0:
        _work(work)
    return pid


def clone(flags: int, work: Callable[[], int]) -> int:
    """The same, with flags of `descriptors` that fork(2) does not take."""
    pid = descriptors.clone(flags)
    if pid == 0:
        _work(work)
    return pid


def succeeded(pid: int) -> bool:
    """Wait for a child; whether its status is 0."""
    return os.waitpid(pid, 0)[1] == 0


def _work(work: Callable[[], int]) -> None:
    status = FAILED
    try:
        status = work()
    finally:
        os._exit(status)
