# SPDX-License-Identifier: Apache-2.0
"""Secrets that are known by where they stand, whatever they are called."""

from __future__ import annotations

import re
from typing import Final

from toolbox.collect.patterns import Pattern, expression

CONTEXTS: Final = (
    Pattern(
        "header with parts",
        expression(
            rb"(?P<k>(?<![\"'\\\w-])(?:proxy-)?authorization\s{0,2}:\s{0,4}(?:digest|negotiate|ntlm|oauth|hawk"
            rb"|signature|aws4-hmac-sha256)\s)[^\r\n]++"
        ),
        (b"authorization",),
    ),
    Pattern(
        "header",
        expression(
            rb"(?P<k>(?:(?:proxy-)?authorization|(?:set-)?cookie"
            rb"|x-[\w-]{0,40}(?:token|key|secret|auth)[\w-]{0,20})"
            rb"""[\\"']{0,33}\s{0,4}[:=][\[\s\\"']{0,40})(?!\[redacted)[^"'\\\r\n]++"""
        ),
        (b"authorization", b"cookie", b"x-"),
    ),
    Pattern(
        "url",
        expression(rb"""(?P<k>://)(?:[^\s/@"'<>]{0,128}:[^\s"'<>]{1,256}|[^\s/@:"'<>]{8,256})@"""),
        (b"://",),
    ),
    # What audit writes in hexadecimal: a command line, and words of it that have blanks in them.
    Pattern("command-line", re.compile(rb"(?P<k>\bproctitle=)[0-9A-F]{8,}+"), (b"proctitle=",)),
    Pattern(
        "word-of-command-line",
        re.compile(rb"(?P<k>\sa\d{1,4}(?:\[\d{1,4}\])?=)[0-9A-F]{2,}+(?!\S)"),
        (b"argc=",),
    ),
)
