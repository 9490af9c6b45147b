# SPDX-License-Identifier: Apache-2.0
"""The lock under which programs change the host's accounts: lckpwdf(3), useradd and sysusers."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING, Final

from bootstrap_image.host import ModuleError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bootstrap_image.host import Host

_FILE: Final = "/etc/.pwd.lock"
_LIMIT: Final = 15.0  # seconds, as lckpwdf(3) waits
_PAUSE: Final = 0.1


@contextlib.contextmanager
def held(
    host: Host,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(host.path(_FILE), flags, 0o600)
    try:
        end = clock() + _LIMIT
        while not _taken(descriptor):
            if clock() >= end:
                raise ModuleError(f"another program is changing the host's accounts ({_FILE})")
            sleep(_PAUSE)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
