# SPDX-License-Identifier: Apache-2.0
"""What is kept of an output that may be longer than its limit: its beginning, and more of its end.

In memory, never on disk: what is collected is bounded, and a host in trouble may have no disk.
"""

from __future__ import annotations

import string
from collections import deque
from typing import Final

_HEAD_SHARE: Final = 8  # one part in so many is the beginning's
# What names and addresses are made of: half of one would be known as none, and get no stand-in.
_WORD: Final = (string.ascii_letters + string.digits + "_.:-").encode()


class Kept:
    """Bytes go in; `content` is at most `limit` of them and a line about the gap."""

    def __init__(self, limit: int) -> None:
        self.total = 0
        self._head_limit = limit // _HEAD_SHARE
        self._tail_limit = limit - self._head_limit
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0

    def add(self, chunk: bytes) -> None:
        self.total += len(chunk)
        room = self._head_limit - len(self._head)
        self._head += chunk[:room]
        rest = chunk[room:]
        if not rest:
            return
        self._tail.append(rest)
        self._tail_size += len(rest)
        while self._tail_size - len(self._tail[0]) >= self._tail_limit:
            self._tail_size -= len(self._tail.popleft())

    @property
    def truncated(self) -> bool:
        return self.total > self._head_limit + self._tail_limit

    def content(self) -> bytes:
        tail = b"".join(self._tail)
        if not self.truncated:
            return bytes(self._head) + tail
        tail = tail[-self._tail_limit :]
        # Whole lines: the ends of cut ones would be taken for something else.
        head = self._head[: self._head.rfind(b"\n") + 1] or self._head.rstrip(_WORD) + b"\n"
        first = tail.find(b"\n") + 1
        tail = tail[first:] if first else tail.lstrip(_WORD)
        left_out = self.total - len(head) - len(tail)
        return bytes(head) + b"[hatchway: %d bytes left out here]\n" % left_out + tail
