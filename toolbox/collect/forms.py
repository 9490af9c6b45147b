# SPDX-License-Identifier: Apache-2.0
"""Secrets that are known by their own form, whatever stands around them."""

from __future__ import annotations

import re
from typing import Final

from toolbox.collect.patterns import Pattern, expression

FORMS: Final = (
    Pattern("bearer", expression(rb"(?P<k>bearer\s{1,4})[\w.~+/=\-]{6,}+"), (b"bearer",)),
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
