# SPDX-License-Identifier: Apache-2.0
"""Take gzip and base64 off, within bounds; `DecodeError` says in a sentence what is wrong."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from typing import Final

GZIP_MAGIC: Final = b"\x1f\x8b"
_CHUNK: Final = 1 << 20
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS  # zlib.h: +16 expects a gzip header
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]+={0,2}\s*")


class DecodeError(ValueError):
    """The data is damaged, or more than we take."""


class DamagedError(Exception):
    """A message is damaged, and nothing of it may run; the findings say how."""


def gunzip(data: bytes, *, limit: int) -> bytes:
    """All members of a gzip file, at most `limit` bytes."""
    out = bytearray()
    while data.strip(b"\0\r\n"):  # tools pad with zeros, editors end the last line
        if not data.startswith(GZIP_MAGIC):
            raise DecodeError("something that is not gzip follows the gzip data")
        member, data = _member(data, limit - len(out))
        out += member
    return bytes(out)


def _member(data: bytes, limit: int) -> tuple[bytes, bytes]:
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    out = bytearray()
    try:
        while not inflater.eof:
            piece = inflater.decompress(data, min(_CHUNK, limit - len(out) + 1))
            data = inflater.unconsumed_tail
            out += piece
            if len(out) > limit:
                raise DecodeError(f"the gzip data unpacks to more than {limit} bytes are left for")
            if not piece and not data and not inflater.eof:
                raise DecodeError("the gzip data is cut off")
    except zlib.error as error:
        raise DecodeError(f"the gzip data is damaged: {error}") from error
    return bytes(out), inflater.unused_data


def unbase64(data: bytes) -> bytes:
    """Strict base64, line breaks allowed."""
    text = b"".join(data.split())
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        reason = str(error).lower().removeprefix("error: ")
        raise DecodeError(f"this is no base64: {reason}") from error


def looks_like_base64(data: bytes) -> bool:
    """Whether it could be: cheap, so that no script is decoded in vain."""
    return len(data) >= 8 and _BASE64.fullmatch(data) is not None
