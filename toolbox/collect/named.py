# SPDX-License-Identifier: Apache-2.0
"""Secrets that are known by the name beside them: only for lines in which NAMED finds one."""

from __future__ import annotations

from typing import Final

from toolbox.collect.names import NAME, NEUTRAL, NO_REFERENCE
from toolbox.collect.patterns import Pattern, expression
from toolbox.collect.values import ANY_QUOTE, BARE, COLON, HARMLESS, LIST, QUOTE, QUOTED

_IS: Final = ANY_QUOTE + rb"\s*+[:=]\s*+"
_TITLE: Final = rb"(?<![a-z])(?:name|key)" + _IS + ANY_QUOTE + rb"[\w.\-]{0,64}?" + NAME
_NO_PLACE: Final = rb"(?<!file)(?<!path)(?<!dir)"
_VALUE: Final = rb"(?<![a-z])value" + _IS
# Bounded: a name has to follow, and where none does all this was read for nothing.
_SHORT: Final = rb"""[^\s,;{}\[\]"'\\]{1,1000}+"""
_MEMBER: Final = rb"(?!" + NEUTRAL + rb"(?![\w.\-]))[\w.\-]{1,64}"
_DIRECTIVE: Final = rb"[\w\-]{1,64}?(?:pass|passwd|password|pw|psk)(?<!bypass)(?<!compass)"
_START_TAG: Final = rb"<[\w:.\-]{0,64}?" + NAME + rb"(?<!name)(?:\s[^<>]{0,200})?(?<!/)>"

BY_NAME: Final = (
    # `{"name":"DB_PASSWORD","value":"x"}`, `{name: DB_PASSWORD, value: x}`
    Pattern(
        "named-value",
        expression(
            *(rb"(?P<k>", _TITLE, _NO_PLACE, rb"(?![\w.\-])[^{}]{1,120}?", _VALUE, rb")", HARMLESS),
            *(rb"(?:", QUOTED, rb"|", BARE, rb")"),
        ),
        (b"value",),
    ),
    # The same the other way round
    Pattern(
        "value-named",
        expression(
            *(rb"(?P<k>", _VALUE, rb")", HARMLESS, rb"(?>", QUOTED, rb"|", _SHORT, rb")"),
            *(rb"(?=[\s,]{1,8}", ANY_QUOTE, _TITLE, _NO_PLACE, rb"(?![\w.\-]))"),
        ),
        (b"value",),
    ),
    # `secret: {value: x}` on one line
    Pattern(
        "map",
        expression(NAME, NO_REFERENCE, ANY_QUOTE, COLON, rb"\{[^{}]*+\}?"),
        (b"{",),
        inner=expression(
            *(rb"(?P<k>[{,\s](?:", QUOTE, _MEMBER, QUOTE, rb"|", _MEMBER, rb")\s*+:\s*+)"),
            *(HARMLESS, rb"(?:", QUOTED, rb"|", BARE, rb")"),
        ),
    ),
    # `"password": "x"`, `token='x'`, `\"secret\":\"x\"`: what is quoted ends with its quote.
    Pattern(
        "quoted",
        expression(
            rb"(?P<k>",
            NAME,
            ANY_QUOTE,
            COLON,
            *(rb")", HARMLESS, rb"(?:[bur]{1,2}(?=[\"'])|\$(?='))?", QUOTED),
        ),
    ),
    Pattern("list", expression(rb"(?P<k>", NAME, ANY_QUOTE, COLON, rb")(?!\[\])", LIST), (b"[",)),
    # At the start of a line, as in settings: all that follows.
    Pattern(
        "setting",
        expression(
            rb"""(?P<k>^\s*+(?:-\s{1,8})?(?:export\s{1,8})?["']?[\w.\-/]{0,64}?""",
            *(NAME, rb"""["']?""", COLON, rb")", HARMLESS, rb"""(?!["'\[])\S[^\r\n]*+"""),
        ),
    ),
    # `requirepass x`, `bindpw x`: two words, and no more but a comment
    Pattern(
        "directive",
        expression(
            *(rb"(?P<k>^\s*+(?=[a-z])", _DIRECTIVE, rb"\s++)", HARMLESS, rb"\S++(?=\s*+(?:#|$))"),
        ),
    ),
    # A member of a JSON object on one line: to the comma.
    Pattern("member", expression(rb"(?P<k>", NAME, QUOTE, COLON, rb")", HARMLESS, BARE)),
    Pattern(
        "pair",
        expression(rb"(?P<k>", NAME, rb"'?", COLON, rb")", HARMLESS, rb"""[^\s"'\[][^\s]*+"""),
    ),
    # `<password>x</password>`
    Pattern(
        "element",
        expression(rb"(?P<k>", _START_TAG, rb")(?!\s*+(?:<|$)|\[redacted)[^<]++"),
        (b"</",),
    ),
    # `--token x`, `"--token", "x"`, `a1="--token" a2="x"` of audit
    Pattern(
        "flag",
        expression(
            *(rb"(?P<k>(?<![\w-])--?[\w-]{0,64}?", NAME, ANY_QUOTE),
            *(rb"(?:\s{0,64},\s{0,64}|\s{1,64}(?:a\d{1,4}=)?))", HARMLESS, rb"(?!\\\s*+$)"),
            *(rb"(?:", QUOTED, rb"""|[^\s"'\-][^\s"']*+)"""),
        ),
    ),
)
