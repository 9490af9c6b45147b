# SPDX-License-Identifier: Apache-2.0
"""Secrets that are known by their own form, whatever stands around them."""

from __future__ import annotations

import re
from typing import Final

from toolbox.collect.patterns import Pattern, expression
from toolbox.collect.tokens import TOKENS

FORMS: Final = (
    Pattern("bearer", expression(rb"(?P<k>bearer\s{1,4})[\w.~+/=\-]{6,}+"), (b"bearer",)),
    Pattern(
        "jwt", re.compile(rb"(?<![\w-])eyJ[\w-]{5,4096}+\.[\w-]{2,}+(?:\.[\w-]*+)?"), (b"eyj",)
    ),
    *TOKENS,
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
            rb"(?<![A-Za-z0-9+/])(?<!SHA256:)(?<!sha256-)(?<!sha384-)(?<!sha512-)"
            # A public key of SSH, a certificate in base64 twice
            rb"(?!AAAA[BCEGI][0-9A-Za-z]{2}|LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS)"
            rb"(?!/(?:var|etc|usr|sys|run|proc|dev|opt|home|root|tmp|mnt|srv|lib|boot)/)"
            rb"(?=[a-z0-9+/]{0,400}[A-Z])(?=[A-Z0-9+/]{0,400}[a-z])"
            rb"(?=[A-Za-z+/]{0,400}[0-9])[A-Za-z0-9+/]{40,}+={0,2}"
        ),
    ),
)
