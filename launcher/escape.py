# SPDX-License-Identifier: Apache-2.0
"""Text for a terminal: what would command it is shown instead of sent.

Names of processes and files, comments of keys and lines of logs are written by others. On a
terminal they could move the cursor, set the clipboard or the title, or turn the order of a line
around. Shown are control characters of C0 and C1 and DEL, characters without a form of their own
(Unicode's format characters, which hold the bidirectional controls), separators of lines and
paragraphs, and bytes that are no text.
"""

from __future__ import annotations

import codecs
from typing import Final

# Joiners, which some scripts cannot be written without, and blanks of any width.
_KEPT: Final = frozenset("\t\u200c\u200d\u00a0\u1680\u202f\u205f\u3000") | frozenset(
    map(chr, range(0x2000, 0x200B))
)
_BYTE: Final = range(0xDC80, 0xDD00)  # how `surrogateescape` decodes what is no UTF-8


def line(text: str) -> str:
    """One line, whatever is in it."""
    return text if text.isprintable() else "".join(map(_shown, text))


def block(text: str) -> str:
    """Several lines, whose ends may be a carriage return and a line feed."""
    *whole, last = text.split("\n")
    return "\n".join([*(line(each.removesuffix("\r")) for each in whole), line(last)])


def _shown(character: str) -> str:
    number = ord(character)
    if character.isprintable() or character in _KEPT:
        return character
    if number in _BYTE:
        return f"\\x{number - 0xDC00:02x}"
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


class Flow:
    """Bytes on their way to a terminal, in whatever pieces they come."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._rest = ""

    def feed(self, data: bytes, *, final: bool = False) -> bytes:
        """What can be shown by now; the rest of a character that was cut in two comes later."""
        text = self._rest + self._decoder.decode(data, final)
        # Whether a line ends there is known when the next character has come.
        self._rest = "\r" if text.endswith("\r") and not final else ""
        text = text[: len(text) - len(self._rest)]
        return block(text).encode("utf-8", "surrogateescape")
