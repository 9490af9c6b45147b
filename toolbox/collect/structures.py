# SPDX-License-Identifier: Apache-2.0
"""Secrets whose name stands in a structure on the same line: XML, HCL, tables, manifests."""

from __future__ import annotations

import dataclasses
import re
from typing import Final

from toolbox.collect.names import NAME, NAMED
from toolbox.collect.patterns import MARK, Pattern, expression
from toolbox.collect.values import BARE, QUOTE, QUOTED

_TAGS: Final = rb"(?:\s{0,8}<[a-z]{1,16}>){1,3}"
_MANIFEST: Final = re.compile(
    rb"""kind[\\"']{1,33}\s{0,4}:\s{0,4}[\\"']{1,33}(?:Sealed|External)?Secret(?:List)?[\\"']""",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True, slots=True)
class _Manifest(Pattern):
    """All values below `data` and `stringData`, where the line is a Secret, escaped or not."""

    def replace(self, line: bytes) -> tuple[bytes, int]:
        if not _MANIFEST.search(line):
            return line, 0
        return Pattern.replace(self, line)


@dataclasses.dataclass(frozen=True, slots=True)
class _Numbers(Pattern):
    """A message as the journal exports it, byte by byte, when the bytes speak of a secret."""

    def replace(self, line: bytes) -> tuple[bytes, int]:
        def without(found: re.Match[bytes]) -> bytes:
            numbers = [int(each) for each in found["n"].split(b",")]
            text = bytes(number for number in numbers if number < 256)
            return found["k"] + b'"' + MARK + b'"' if NAMED.search(text.lower()) else found[0]

        replaced = self.expression.sub(without, line)
        return replaced, int(replaced != line)


STRUCTURES: Final = (
    _Manifest(
        "manifest",
        expression(rb"(?:string)?data", QUOTE, rb"\s{0,4}:\s{0,4}\{[^{}]*+\}?"),
        (b"secret",),
        inner=expression(
            rb"(?P<k>[{,]\s{0,80}",
            QUOTE,
            rb"[\w.\-/]{1,256}",
            QUOTE,
            rb"\s{0,4}:\s{0,4})",
            rb"(?:",
            QUOTED,
            rb"|",
            BARE,
            rb")",
        ),
    ),
    # `<name>password</name><value><string>x`, `<key>password</key><string>x`
    Pattern(
        "sibling element",
        expression(
            rb"(?P<k><(?:name|key)>[\w.\-]{0,64}?",
            NAME,
            rb"</(?:name|key)>",
            _TAGS,
            rb")",
            rb"(?!\[redacted)[^<]++",
        ),
        (b"<name>", b"<key>"),
    ),
    Pattern(
        "cell",
        expression(
            rb"(?P<k>[|\xe2]\S{0,2}\s{0,80}[\w.\-]{0,64}?",
            NAME,
            rb"\s{0,80}(?:\||\xe2\x94\x82)\s{0,80})",
            rb"(?=\S)(?![|\xe2\[])[^|\xe2\n]*?(?=\s{0,400}(?:\||\xe2\x94\x82))",
        ),
        (b"|", b"\xe2\x94\x82"),
    ),
    Pattern(
        "variable of HCL",
        expression(
            rb'(?P<k>variable\s{1,4}"[\w\-]{0,64}?',
            NAME,
            rb'"\s{0,4}\{[^{}]{0,400}?default\s{0,8}=\s{0,8})',
            QUOTED,
        ),
        (b"variable",),
    ),
    _Numbers(
        "message in numbers",
        re.compile(
            rb'(?P<k>"[A-Z_]{1,64}"\s{0,4}:\s{0,4})\[(?P<n>\s{0,4}\d{1,3}(?:\s{0,4},\s{0,4}\d{1,3}){7,100000}+)\s{0,4}\]'
        ),
        (b"[",),
    ),
    Pattern(
        "certificate key",
        expression(rb"(?P<k>certificate[-_]?key[\"']?\s{0,4}[:=]\s{0,4}[\"']?)[0-9a-f]{32,}+"),
        (b"certificate",),
    ),
    # `{"name": "Authorization", "value": "x"}`
    Pattern(
        "header as a pair",
        expression(
            rb"(?P<k>(?:name|key)",
            QUOTE,
            rb"\s{0,4}:\s{0,4}",
            QUOTE,
            rb"(?:(?:proxy-)?authorization|(?:set-)?cookie)",
            QUOTE,
            rb"\s{0,4},\s{0,4}",
            QUOTE,
            rb"value",
            QUOTE,
            rb"\s{0,4}:\s{0,4})",
            QUOTED,
        ),
        (b"authorization", b"cookie"),
    ),
)
