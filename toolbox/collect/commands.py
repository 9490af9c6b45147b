# SPDX-License-Identifier: Apache-2.0
"""`exec`: what a program of the host prints, or why it did not."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from launcher import pouring, process
from launcher.errors import Exit, HostError

if TYPE_CHECKING:
    from toolbox.collect.item import Item, Outcome
    from toolbox.collect.sieve import Sieve

# Nothing is fetched for it.
_TOOLBOX: Final = ("toolbox", "run", "--quiet", "--pull=never", "--profile=netadmin", "--")
# The same words on every host; nobody is there to page.
_ENVIRONMENT: Final = {"LC_ALL": "C", "SYSTEMD_PAGER": "cat", "SYSTEMD_COLORS": "0", "TZ": "UTC"}


def run(item: Item, sieve: Sieve, *, since: str) -> Outcome:
    """Run the argv; `{since}` in it is the beginning of the time that was asked for."""
    argv = tuple(word.replace("{since}", since) for word in item.argument)
    borrowed = process.find_program(argv[0]) is None
    if borrowed and not item.borrow:
        return sieve.outcome("absent", f"the host has no {argv[0]}")
    if borrowed:
        argv = (*_own_program(), *_TOOLBOX, *argv)
    try:
        ended = pouring.pour(
            argv, into=sieve.add, timeout=item.timeout, most=sieve.most, env=_ENVIRONMENT
        )
    except HostError as error:
        return sieve.outcome("failed", error.message)
    if ended.ended == "timeout":
        return sieve.outcome("timeout", f"ended after {item.timeout:.0f} s")
    if ended.ended == "endless":
        return sieve.outcome("endless", f"ended after it had printed {sieve.most >> 20} MiB")
    if borrowed and ended.status in (Exit.OURS, Exit.NOT_FOUND):
        return sieve.outcome("absent", f"the host has no {item.argument[0]}, nor has an image here")
    if ended.status:
        return sieve.outcome("failed", f"exit status {ended.status}", exit_status=ended.status)
    return sieve.outcome("ok", exit_status=0)


def _own_program() -> tuple[str, ...]:
    """How to start ourselves once more."""
    frozen = getattr(sys, "frozen", False)
    return (sys.executable,) if frozen else (sys.executable, "-m", "launcher.cli.main")
