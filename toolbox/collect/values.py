# SPDX-License-Identifier: Apache-2.0
"""How values are written, as expressions for other expressions.

Quantifiers are bounded, possessive, or followed by nothing that can fail: the lines are the node's,
and whoever runs a container on it writes some of them. A group is never repeated possessively where
a round of it can fail half way: Python 3.11 forgets to go back then.
"""

from __future__ import annotations

from typing import Final

# A quote, however often it was escaped: JSON in JSON in a log is no rarity.
QUOTE: Final = rb"""\\{0,32}+["']"""
ANY_QUOTE: Final = rb"(?:" + QUOTE + rb")?"
COLON: Final = rb"\s*+(?::=|=>|[:=]|\\x3[da])\s*+"

# What is quoted with n backslashes ends at a quote with as many, before which there may be escaped
# backslashes, each of which is 2n+2 of them. Once in an expression: the groups have names.
OPENED: Final = rb"""(?P<b>\\{0,32}+)(?P<q>["'])"""
ENDED: Final = rb"(?:(?<!\\)(?:(?P=b)(?P=b)\\\\)*(?P=b)(?P=q)|$)"
# Two single quotes within single ones are one, in YAML and SQL.
_DOUBLED: Final = rb"'[^'\\\n]*+''(?:[^'\n]|'')*'(?!')"
QUOTED: Final = rb"(?:" + _DOUBLED + rb"|" + OPENED + rb".*?" + ENDED + rb")"
LIST: Final = rb"\[[^\]]*+\]?"
# A member's value without quotes.
BARE: Final = rb"""[^\s,;{}\[\]"'\\][^\s,}\]"'\\]*+"""

# What follows a secret's name and is none: nothing, a truth, what the answer itself is, where
# nsswitch.conf has its passwords, the architecture of a package of that name, a
# mark of ours, one letter, as HTML has it for `accesskey`.
_ANSWER: Final = (
    rb"(?:not (?:found|set|valid|required|provided|present|configured|a)\b"
    rb"|no (?:such|longer|match)\b|(?:is|was|has|have|does|must|cannot|could|should|will) "
    rb"|(?:has )?expired\b|invalid\b|missing\b|unset\b|required\b|denied\b|mismatch"
    rb"|unauthori[sz]ed\b|authentication (?:fail|error)|incorrect\b|rejected\b|revoked\b)"
)
_WORDS: Final = (
    rb"(?:files|compat|systemd|sss|ldap|nis|db|altfiles|winbind|amd64|arm64|i386)(?:[\s\[]|$)"
)
HARMLESS: Final = (
    rb"""(?!(?:true|false|null|none|nil|yes|no|on|off|''|\\{0,32}+"\\{0,32}+"|\{\}?|\[\])"""
    rb"""(?:[\s,;}\])]|$)|\{(?=[\\"'\s}]|$)|\\{0,32}+["']?\[redacted|["'].["'][\s>]|"""
    + _ANSWER
    + rb"|"
    + _WORDS
    + rb")"
)
