# SPDX-License-Identifier: Apache-2.0
"""The key that was meant by one that is not known."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def unknown(key: object, known: Iterable[str]) -> str:
    """What is said of a key that nobody knows."""
    meant = closest(str(key), known)
    return "this key is not known here" + (f"; did you mean {meant}?" if meant else "")


def closest(key: str, known: Iterable[str]) -> str:
    """The known key that `key` resembles, or nothing."""
    # `ca_certs` and not `ca-certs`, whatever the order in which they come.
    names = {_bare(name): name for name in sorted(known)}
    found = difflib.get_close_matches(_bare(key[:100]), names, n=1, cutoff=0.7)
    return names[found[0]] if found else ""


def _bare(key: str) -> str:
    """`Run-Cmd` and `runcmd` differ in nothing that matters."""
    return re.sub(r"[\W_]", "", key.lower())
