# SPDX-License-Identifier: Apache-2.0
"""What a secret looks like within one line, as patterns that a hostile line cannot slow down.

Each keeps the group `k` and replaces the rest. Quantifiers are bounded or possessive: the lines are
the node's, and whoever runs a container on it writes some of them.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Final

MARK: Final = b"[redacted]"

# A name that says that its value is a secret; what stands before it in the name does not matter.
WORD: Final = (
    rb"(?:passw(?:or)?d|passphrase|passcode|pwd|secret|token|credential|(?<!syn)cookie|psk"
    rb"|(?:api|access|private|client|encryption|signing|shared|license)[-_.]?key"
    rb"|key[-_.]?data|session[-_.]?(?:id|key)|user[-_.]?data|custom[-_.]?data"
    rb"|(?<![a-z])auth(?![a-z])|(?<![a-z])pass(?![a-z]))"
)
# A name of a place is no secret if the value is one; nor is what only counts, names or times one.
_NO_PLACE: Final = (
    rb"""(?![\w.\-]{0,40}(?:(?:file|path|dir)["']?[\s:=,]{1,8}["']?[/~.]"""
    rb"""|(?:interval|timeout|ttl|name|type)["']?\s{0,8}[:=]))"""
)
NAME: Final = WORD + _NO_PLACE + rb"[\w.\-]{0,64}+"
_HARMLESS: Final = (
    rb"""(?!(?:true|false|null|none|nil|yes|no|""|''|\{\}?|\[\])(?:[\s,;}\])]|$)"""
    rb"""|\{(?=["'\s}]|$)|["']?\[redacted)"""
)
_QUOTED: Final = rb"""(?:"(?:[^"\\]++|\\.)*+"?|'(?:[^'\\]++|\\.)*+'?|\\"(?:(?!\\").)*+(?:\\")?)"""
_LIST: Final = rb"\[[^\]]*+\]?"
_ENV_FLAG: Final = (
    rb"""(?<![\w-])(?:--(?:set-?)?env(?:ironment)?|-e)["']?(?:=|\s{0,4},\s{0,4}|\s{1,4})"""
)
_COLON: Final = rb"\s{0,8}(?::=|=>|[:=])\s{0,8}"


@dataclasses.dataclass(frozen=True, slots=True)
class Pattern:
    """`hints` are words of which a line must hold one, in lower case, to be looked at at all."""

    name: str
    expression: re.Pattern[bytes]
    hints: tuple[bytes, ...] = ()

    def possible(self, low: bytes) -> bool:
        return not self.hints or any(hint in low for hint in self.hints)

    def replace(self, line: bytes) -> tuple[bytes, int]:
        """The line without its secrets of this kind, and how many there were."""
        return self.expression.subn(_replacement, line)


def _replacement(match: re.Match[bytes]) -> bytes:
    kept = match.groupdict()
    return (kept.get("k") or b"") + MARK + (kept.get("e") or b"")


def _compiled(*parts: bytes) -> re.Pattern[bytes]:
    return re.compile(b"".join(parts), re.IGNORECASE)


# One of them is in every name that NAME matches.
HINTS: Final = (
    *(b"pass", b"pwd", b"secret", b"token", b"credential", b"cookie", b"psk", b"key"),
    *(b"data", b"session", b"auth"),
)

# By what a line holds, whatever it is called.
FIRST: Final = (
    Pattern(
        "header",
        _compiled(
            rb"(?P<k>(?:(?:proxy-)?authorization|(?:set-)?cookie"
            rb"|x-[\w-]{0,40}(?:token|key|secret|auth)[\w-]{0,20})"
            rb"""["']?\s{0,4}[:=][\[\s"']{0,4})(?!\[redacted)[^"'\r\n]++"""
        ),
        (b"authorization", b"cookie", b"x-"),
    ),
    Pattern("unit", _compiled(rb"(?P<k>^\s*Environment\s*=).*+"), (b"environment",)),
    # `--env NAME=VALUE`, `-e NAME=VALUE`, `--setenv=NAME=VALUE`, also in JSON
    Pattern(
        "quoted-variable",
        _compiled(rb"(?P<k>", _ENV_FLAG, rb"""["'][a-z_]\w{0,100}=)[^"']++"""),
        (b"env", b"-e"),
    ),
    Pattern(
        "variable",
        _compiled(rb"(?P<k>", _ENV_FLAG, rb"""[a-z_]\w{0,100}=)[^\s"']++"""),
        (b"env", b"-e"),
    ),
    Pattern(
        "environment",
        _compiled(rb'(?P<k>"env(?:ironment)?"\s*:\s*)\[\s*+"(?:[^"\\]++|\\.|"\s*+,\s*+")*+"?'),
        (b'"env',),
    ),
    Pattern(
        "url",
        _compiled(rb"""(?P<k>://)(?:[^\s/@"'<>]{0,128}:[^\s"'<>]{1,256}|[^\s/@:"'<>]{8,256})@"""),
        (b"://",),
    ),
)

# By the name that stands before it: only where NAMED finds one.
NAMED: Final = re.compile(WORD, re.IGNORECASE)
BY_NAME: Final = (
    # `"password": "x"`, `token='x'`, `\"secret\":\"x\"`: what is quoted ends with its quote.
    Pattern(
        "quoted",
        _compiled(rb"(?P<k>", NAME, rb"""\\?["']?""", _COLON, rb")", _HARMLESS, _QUOTED),
    ),
    Pattern("list", _compiled(rb"(?P<k>", NAME, rb"""["']?""", _COLON, rb")(?!\[\])", _LIST)),
    # At the start of a line, as in settings: all that follows.
    Pattern(
        "setting",
        _compiled(
            rb"""(?P<k>^\s*+(?:-\s{1,8})?(?:export\s{1,8})?["']?[\w.\-/]{0,64}?""",
            *(NAME, rb"""["']?""", _COLON, rb")", _HARMLESS, rb"""(?!["'\[])\S[^\r\n]*+"""),
        ),
    ),
    # A member of a JSON object on one line: to the comma.
    Pattern(
        "member",
        _compiled(rb"""(?P<k>""", NAME, rb'"', _COLON, rb")", _HARMLESS, rb"""[^\s,}\]"'\[]++"""),
    ),
    Pattern(
        "pair",
        _compiled(
            rb"(?P<k>", NAME, rb"""[']?""", _COLON, rb")", _HARMLESS, rb"""[^\s"'\[][^\s]*+"""
        ),
    ),
    # `--token x`, `"--token", "x"`
    Pattern(
        "flag",
        _compiled(
            rb"""(?P<k>(?<![\w-])--?[\w-]{0,64}?""",
            NAME,
            rb"""["']?(?:\s{0,8},\s{0,8}|\s{1,8}))""",
            *(_HARMLESS, rb"(?:", _QUOTED, rb"""|[^\s"'\-][^\s"']*+)"""),
        ),
    ),
)

# By its own form.
LAST: Final = (
    Pattern("bearer", _compiled(rb"(?P<k>bearer\s{1,4})[\w.~+/=\-]{6,}+"), (b"bearer",)),
    Pattern(
        "jwt", re.compile(rb"(?<![\w-])eyJ[\w-]{5,4096}+\.[\w-]{2,}+(?:\.[\w-]*+)?"), (b"eyj",)
    ),
    Pattern(
        "known",
        re.compile(
            rb"(?<![A-Za-z0-9])(?:(?:AKIA|ASIA|AIDA|AROA|ABIA|ACCA)[A-Z0-9]{16}"
            rb"|LTAI[A-Za-z0-9]{12,30}+|AIza[\w-]{35}|ya29\.[\w-]{20,}+|gh[pousr]_\w{20,}+"
            rb"|github_pat_\w{20,}+|glpat-[\w-]{16,}+|xox[abeprs]-[\w-]{10,}+|dckr_pat_[\w-]{16,}+"
            rb"|sk-[\w-]{20,}+|AGE-SECRET-KEY-[A-Z0-9-]{20,}+)"
        ),
        (
            *(b"akia", b"asia", b"aida", b"aroa", b"abia", b"acca", b"ltai", b"aiza", b"ya29."),
            *(b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat", b"glpat-", b"xox"),
            *(b"dckr_pat", b"sk-", b"age-secret-key"),
        ),
    ),
    Pattern(
        "password-hash",
        re.compile(rb"\$(?:1|2[abxy]?|5|6|7|y|gy|md5|sha1|argon2\w{1,2})\$[./\w$=,+-]{8,}+"),
        (b"$",),
    ),
    # Of kubeadm: an id of 6 and a secret of 16.
    Pattern(
        "bootstrap-token",
        re.compile(rb"(?<![A-Za-z0-9])[a-z0-9]{6}\.[a-z0-9]{16}(?![A-Za-z0-9])"),
        (b".",),
    ),
    # Base64 of more than an identifier: keys, Docker's configuration, user data. Digests and ids
    # are hexadecimal and stay, for they have no capital letters; paths and key fingerprints, too.
    Pattern(
        "blob",
        re.compile(
            rb"(?<![A-Za-z0-9+/])(?<!SHA256:)"
            rb"(?!/(?:var|etc|usr|sys|run|proc|dev|opt|home|root|tmp|mnt|srv|lib|boot)/)"
            rb"(?=[a-z0-9+/]{0,400}[A-Z])(?=[A-Z0-9+/]{0,400}[a-z])"
            rb"(?=[A-Za-z+/]{0,400}[0-9])[A-Za-z0-9+/]{40,}+={0,2}"
        ),
    ),
)
