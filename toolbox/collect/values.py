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
COLON: Final = rb"\s*+(?::=|=>|[:=])\s*+"

# What is quoted with n backslashes ends at a quote with as many, before which there may be escaped
# backslashes, each of which is 2n+2 of them. Once in an expression: the groups have names.
OPENED: Final = rb"""(?P<b>\\{0,32}+)(?P<q>["'])"""
ENDED: Final = rb"(?:(?<!\\)(?:(?P=b)(?P=b)\\\\)*(?P=b)(?P=q)|$)"
QUOTED: Final = OPENED + rb".*?" + ENDED
LIST: Final = rb"\[[^\]]*+\]?"
# A member's value without quotes.
BARE: Final = rb"""[^\s,;{}\[\]"'\\][^\s,}\]"'\\]*+"""

# What follows a secret's name and is none.
HARMLESS: Final = (
    rb"""(?!(?:true|false|null|none|nil|yes|no|on|off|''|\\{0,32}+"\\{0,32}+"|\{\}?|\[\])"""
    rb"""(?:[\s,;}\])]|$)|\{(?=[\\"'\s}]|$)|\\{0,32}+["']?\[redacted)"""
)
