# SPDX-License-Identifier: Apache-2.0
"""What every item's bytes pass: secrets out first, then the cut to size, in bounded memory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from launcher import interrupt
from toolbox.collect.item import Item, Outcome, Status
from toolbox.collect.kept import Kept
from toolbox.collect.nul_gaps import NulGaps, binary_from, is_binary
from toolbox.collect.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable

# So many times its limit may an item print before it is ended: enough for the end of a long log.
OVERFLOW: Final = 16
_CHUNK: Final = 1 << 16
_LOOKED_AT: Final = 8192
_PACKED: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\3\4": "zip",
}


class Sieve:
    """One item's way into the bundle: `add` what it gives, then make the `outcome`."""

    def __init__(self, item: Item) -> None:
        self._item = item
        self._redactor = Redactor()
        self._gaps = NulGaps()
        self._kept = Kept(item.limit)
        self._began = time.monotonic()
        self._size = 0
        # Why nothing more of it is kept.
        self.refusal = ""

    @property
    def seconds_left(self) -> float:
        return self._began + self._item.timeout - time.monotonic()

    @property
    def most(self) -> int:
        return self._item.limit * OVERFLOW

    def add(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._item.binary:
            self._kept.add(chunk)
        elif not self.refusal:
            self._add_text(chunk)

    def _add_text(self, chunk: bytes) -> None:
        """Keep what can be searched for secrets; of what is packed or binary, nothing."""
        if self._size == len(chunk) and (form := _form(chunk)):
            self.refusal = f"{form}: it cannot be searched for secrets"
            return
        end = binary_from(chunk)
        self._kept.add(self._redactor.feed(self._gaps.feed(chunk[:end])))
        if end < len(chunk):
            self.refusal = "binary from some place on: left out there"

    def drain(self, read: Callable[[int], bytes]) -> Status:
        """Add all that `read` gives within the limits."""
        while chunk := read(_CHUNK):
            interrupt.check()
            self.add(chunk)
            if self._size >= self.most:
                return "endless"
            if self.seconds_left <= 0:
                return "timeout"
        return "ok"

    def outcome(self, status: Status, note: str = "", **more: Any) -> Outcome:
        self._kept.add(self._redactor.feed(self._gaps.finish()))
        self._kept.add(self._redactor.finish())
        content = self._kept.content()
        if self.refusal:
            status, note = ("ok" if content else "refused"), self.refusal
        return Outcome(
            item=self._item,
            status=status,
            note=note,
            content=content,
            size=self._size,
            seconds=time.monotonic() - self._began,
            truncated=self._kept.truncated or bool(self.refusal and content),
            redactions=self._redactor.count,
            **more,
        )


def _form(beginning: bytes) -> str:
    """What a stream is by its first bytes, unless it is text."""
    for magic, name in _PACKED.items():
        if beginning.startswith(magic):
            return name
    return "binary" if is_binary(beginning[:_LOOKED_AT]) else ""
