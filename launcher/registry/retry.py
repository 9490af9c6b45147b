# SPDX-License-Identifier: Apache-2.0
"""Patience with an endpoint: bounded tries with jitter, for what may pass by itself only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from launcher.registry.failures import RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from launcher.monitor import Monitor
    from launcher.registry.watch import Watch

T = TypeVar("T")
TRIES: Final = 4  # in a row without progress
TRIES_OF_MIRROR: Final = 2  # there is someone else to ask
PROGRESS: Final = 256 * 1024  # bytes; less is what a server that only holds us up lets through
FIRST_WAIT: Final = 0.5  # seconds
LONGEST_WAIT: Final = 5.0
JITTER: Final = 1.0
LONGEST_RETRY_AFTER: Final = 30.0  # a registry may ask for an hour; nobody waits that long


class Patience:
    """Decides whether a failure is worth another try, and after how long."""

    def __init__(
        self, watch: Watch, monitor: Monitor, tries: int, progress: Callable[[], int]
    ) -> None:
        self._watch = watch
        self._monitor = monitor
        self._tries = tries
        self._progress = progress
        self._seen = progress()
        self._failed = 0

    def __call__(self, error: Exception) -> bool | float:
        if not isinstance(error, RegistryError) or not error.transient:
            return False
        seen = self._progress()
        self._failed = 1 if seen - self._seen >= PROGRESS else self._failed + 1
        self._seen = max(seen, self._seen)
        self._watch.trouble = error.message
        wait = min(error.retry_after, LONGEST_RETRY_AFTER)
        if self._failed >= self._tries or wait >= self._watch.remaining():
            return False
        self._monitor.note(f"{error.message}; trying again")
        return wait or True


def again(
    attempt: Callable[[], T],
    *,
    watch: Watch,
    monitor: Monitor,
    tries: int = TRIES,
    progress: Callable[[], int] = lambda: 0,
) -> T:
    """Do `attempt` until it succeeds or `Patience` ends; `progress` counts bytes gained so far."""
    import stamina
    from stamina.instrumentation import set_on_retry_hooks

    set_on_retry_hooks(())  # its default logs to stderr, which belongs to the monitor
    for trial in stamina.retry_context(
        on=Patience(watch, monitor, tries, progress),
        attempts=None,
        timeout=watch.remaining(),
        wait_initial=FIRST_WAIT,
        wait_max=LONGEST_WAIT,
        wait_jitter=JITTER,
    ):
        with trial:
            return attempt()
    raise AssertionError  # unreachable: stamina raises what the last attempt raised
