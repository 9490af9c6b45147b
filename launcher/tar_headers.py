# SPDX-License-Identifier: Apache-2.0
"""The members of a tar, read in bounded memory, as Go's archive/tar reads them for the engines.

The standard library holds an extended header in memory however long it says it is, and follows
them without end. What this takes for a file, and how long it is, is what an engine will unpack.

https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK: Final = 512
EXTENDED_LIMIT: Final = 1 << 20  # bytes of one extended header, as in Go's reader
SIZE_LIMIT: Final = 2**50

_REGULAR: Final = (b"\0", b"0", b"7")
_HARD_LINK, _SYMBOLIC_LINK = b"1", b"2"
# Links, devices, directories and pipes: whatever size they state, nothing follows them.
_WITHOUT_CONTENT: Final = (b"1", b"2", b"3", b"4", b"5", b"6")
_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK = b"x", b"g", b"L", b"K"
_EXTENDED: Final = (_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK)
_SPARSE: Final = b"S"


class TarError(Exception):
    """What is wrong with it, as the end of a sentence."""


class Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...

    def skip(self, size: int) -> None:
        """Pass over so many bytes; `TarError` when there are fewer."""


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """A member by its name as it stands there; `start` is where its content begins."""

    name: str
    kind: bytes
    link: str
    size: int
    start: int

    @property
    def is_regular(self) -> bool:
        return self.kind in _REGULAR

    @property
    def is_symbolic_link(self) -> bool:
        return self.kind == _SYMBOLIC_LINK

    @property
    def is_hard_link(self) -> bool:
        return self.kind == _HARD_LINK


def members(stream: Stream, limit: int) -> Iterator[Member]:
    """The members, at most `limit` with their extended headers; `TarError` for all that is odd."""
    place = count = 0
    said: dict[str, str] = {}
    while (header := _header(stream)) is not None:
        count += 1
        if count > limit:
            raise TarError("it has too many members")
        kind, size = header[156:157], _number(header[124:136])
        place += BLOCK
        if kind in _EXTENDED:
            if size > EXTENDED_LIMIT:
                raise TarError("an extended header in it is too large")
            padded = _padded(size)
            content = _exactly(stream, padded)[:size]
            place += padded
            if kind != _PAX_GLOBAL:  # Go applies it to no member
                said |= _extension(kind, content)
            continue
        member = _member(header, kind, size, said, place)
        said = {}
        yield member
        stream.skip(_padded(member.size))
        place += _padded(member.size)


def _member(header: bytes, kind: bytes, size: int, said: dict[str, str], place: int) -> Member:
    if kind == _SPARSE or any(key.startswith("GNU.sparse.") for key in said):
        # A few bytes of it unpack to any length, and no engine makes such an archive.
        raise TarError("it has a sparse file")
    if "size" in said:
        size = _decimal(said["size"])
    if kind in _WITHOUT_CONTENT:
        size = 0
    name = said.get("path") or _name(header)
    if kind == b"\0" and name.endswith("/"):  # a directory of tars before POSIX
        kind, size = b"5", 0
    return Member(name, kind, said.get("linkpath") or _text(header[157:257]), size, place)


def _header(stream: Stream) -> bytes | None:
    """The next header; None at the end."""
    header = stream.read(BLOCK)
    if not header or header == bytes(BLOCK):
        return None
    if len(header) < BLOCK:
        raise TarError("it is cut off")
    blank = header[:148] + b" " * 8 + header[156:]
    signed = sum(blank) - 256 * sum(byte > 127 for byte in blank)
    if _number(header[148:156]) not in (sum(blank), signed):
        raise TarError("it is no tar, or a damaged one")
    return header


def _number(field: bytes) -> int:
    """Octal digits, or where the first bit is set a number of base 256."""
    if field[0] & 0x80:
        found = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        return _bounded(-1 if field[0] & 0x40 else found)
    digits = field.strip(b" \0").split(b"\0")[0]
    try:
        return _bounded(int(digits or b"0", 8))
    except ValueError:
        raise TarError("it is no tar, or a damaged one") from None


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise TarError("a size in it is no number")
    return _bounded(int(text))


def _bounded(number: int) -> int:
    if not 0 <= number <= SIZE_LIMIT:
        raise TarError("a number in it is too large")
    return number


def _name(header: bytes) -> str:
    name = _text(header[:100])
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _extension(kind: bytes, content: bytes) -> dict[str, str]:
    if kind == _LONG_NAME:
        return {"path": _text(content)}
    if kind == _LONG_LINK:
        return {"linkpath": _text(content)}
    return dict(_records(content))


def _records(content: bytes) -> Iterator[tuple[str, str]]:
    """The `LENGTH KEY=VALUE` lines of a pax header."""
    place = 0
    while place < len(content):
        word = content[place : place + 8].partition(b" ")[0]
        length = int(word) if word.isdigit() else 0
        record = content[place : place + length]
        key, equals, value = record[len(word) + 1 :].partition(b"=")
        if not equals or not record.endswith(b"\n") or len(record) != length:
            raise TarError("an extended header in it is damaged")
        yield _text(key), value[:-1].decode("utf-8", "surrogateescape")
        place += length


def _exactly(stream: Stream, size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise TarError("it is cut off")
    return content


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
