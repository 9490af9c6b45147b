# SPDX-License-Identifier: Apache-2.0
"""`exec`: what a program of the host prints, or why it did not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from launcher import process
from launcher.errors import HostError

if TYPE_CHECKING:
    from toolbox.collect.item import Item, Outcome
    from toolbox.collect.sieve import Sieve

# The same words on every host; nobody is there to page.
_ENVIRONMENT: Final = {"LC_ALL": "C", "SYSTEMD_PAGER": "cat", "SYSTEMD_COLORS": "0", "TZ": "UTC"}


def run(item: Item, sieve: Sieve, *, since: str) -> Outcome:
    """Run the argv; `{since}` in it is the beginning of the time that was asked for."""
    argv = tuple(word.replace("{since}", since) for word in item.argument)
    if process.find_program(argv[0]) is None:
        return sieve.outcome("absent", f"the host has no {argv[0]}")
    try:
        ended = process.pour(
            argv, into=sieve.add, timeout=item.timeout, most=sieve.most, env=_ENVIRONMENT
        )
    except HostError as error:
        return sieve.outcome("failed", error.message)
    if ended.ended == "timeout":
        return sieve.outcome("timeout", f"ended after {item.timeout:.0f} s")
    if ended.ended == "endless":
        return sieve.outcome("endless", f"ended after it had printed {sieve.most >> 20} MiB")
    if ended.status:
        return sieve.outcome("failed", f"exit status {ended.status}", exit_status=ended.status)
    return sieve.outcome("ok", exit_status=0)
