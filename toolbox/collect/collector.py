# SPDX-License-Identifier: Apache-2.0
"""One item, by its kind; whatever happens to it is its outcome and stops nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from launcher import apart
from launcher.interrupt import Interrupted
from toolbox.collect import commands, documents, own_settings, services
from toolbox.collect.looks import LOOKS
from toolbox.collect.sieve import Sieve

if TYPE_CHECKING:
    from toolbox.collect.item import Item, Outcome


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user asked for: `since` as journalctl takes it; hosts that `http` may ask, too."""

    since: str = "-24h"
    allowed: frozenset[str] = frozenset()


def collect(item: Item, wishes: Wishes) -> Outcome:
    """Everything of the item that may leave the host."""
    sieve = Sieve(item)
    try:
        return _by_kind(item, sieve, wishes)
    except TimeoutError:
        return sieve.outcome("timeout", f"no answer within {item.timeout:.0f} s")
    except Interrupted:
        return sieve.outcome("interrupted", "ended before it was done")
    except Exception as defect:  # noqa: BLE001 - one item's defect must not cost the others
        return sieve.outcome("failed", f"{type(defect).__name__}: {defect}")


def _by_kind(item: Item, sieve: Sieve, wishes: Wishes) -> Outcome:
    if item.needs and not apart.answer(Path(item.needs).exists, sieve.seconds_left):
        return sieve.outcome("absent", f"there is no {item.needs}")
    if item.kind == "exec":
        return commands.run(item, sieve, since=wishes.since)
    if item.kind == "file":
        return documents.read(item, sieve)
    if item.kind == "glob":
        return sieve.outcome("ok", matches=documents.expand(item))
    if item.kind == "http":
        return services.fetch(item, sieve, allowed=wishes.allowed)
    if item.kind == "settings":
        return own_settings.read(sieve)
    look = LOOKS.get(item.argument[0])
    if look is None:
        return sieve.outcome("failed", f"nothing is called {item.argument[0]}")
    # It may open what a dead server holds, such as the place of a certificate.
    sieve.add(apart.answer(look, sieve.seconds_left).encode("utf-8", "replace"))
    return sieve.outcome("ok")
