# SPDX-License-Identifier: Apache-2.0
"""Secrets in the settings of servers whose syntax has no name and no sign before them."""

from __future__ import annotations

import re
from typing import Final

from toolbox.collect.names import NAME
from toolbox.collect.patterns import Pattern, expression
from toolbox.collect.values import QUOTED

_HEX: Final = rb"0x[0-9a-f]{8,}+"

SERVERS: Final = (
    Pattern(
        "SQL",
        expression(
            rb"(?P<k>\bidentified\s(?:with\s[\w'\"`]{1,64}\s(?:by|as)|by)\s(?:password\s)?"
            rb"|\bpassword\s{1,4}|\bpassword\s{0,2}\(\s{0,4})",
            QUOTED,
        ),
        (b"identified", b"password"),
    ),
    Pattern(
        "DSN",
        expression(rb"(?P<k>(?<![\w.-])[\w.-]{1,64}:)[^\s:@/\"']{1,256}(?=@(?:tcp|unix)\()"),
        (b"@tcp(", b"@unix("),
    ),
    Pattern(
        "proxy",
        expression(
            rb"""(?P<k>(?:https?|ftp|all)_?proxy["']?\s{0,4}[:=]\s{0,4}["']?)[^\s:/@"']{1,128}:[^\s@"']{1,256}(?=@)"""
        ),
        (b"proxy",),
    ),
    Pattern(
        "signature",
        expression(rb"(?P<k>[?&](?:sig|signature|x-amz-signature|x-goog-signature)=)[^\s&\"'<>]++"),
        (b"sig",),
    ),
    Pattern(
        "netrc",
        expression(rb"(?P<k>\blogin\s{1,4}\S{1,128}\s{1,4}password\s{1,4})\S++"),
        (b"login",),
    ),
    Pattern(
        "haproxy", expression(rb"(?P<k>^\s*+stats\s{1,8}auth\s{1,8}[^\s:]{1,64}:)\S++"), (b"stats",)
    ),
    Pattern(
        "user with a password",
        expression(
            rb"(?P<k>^\s*+(?:user|username|neighbor)\s{1,8}\S{1,128}\s{1,8}(?:(?:insecure-)?password|secret)\s{1,8}(?:\d\s)?)\S++"
        ),
        (b"user", b"neighbor"),
    ),
    Pattern(
        "community",
        expression(
            rb"(?P<k>^\s*+(?:r[ow]community6?|snmp-server\scommunity|trapcommunity)\s{1,8})\S++"
        ),
        (b"community",),
    ),
    Pattern(
        "com2sec",
        expression(rb"(?P<k>^\s*+com2sec6?\s{1,8}\S{1,64}\s{1,8}\S{1,64}\s{1,8})\S++"),
        (b"com2sec",),
    ),
    Pattern(
        "user of SNMP",
        expression(
            rb"(?P<k>^\s*+(?:createuser|usmuser)\s{1,8}(?:-e\s\S{1,64}\s)?\S{1,64}\s{1,8})\S.*+"
        ),
        (b"createuser", b"usmuser"),
    ),
    Pattern(
        "IPsec",
        expression(
            rb"(?P<k>:\s{1,4}(?:psk|xauth|eap|ntlm|rsa|ecdsa|p12)\s{1,4}(?:\S{1,128}\s{1,4})??)(?:",
            QUOTED,
            rb"|0[sx]\S{8,}+)",
        ),
        (b": psk", b": xauth", b": eap", b": ntlm", b": rsa", b": ecdsa", b": p12"),
    ),
    # Routers: FRR, Quagga and their elders
    Pattern(
        "routing",
        expression(
            rb"(?P<k>\b(?:message-digest-key\s\d{1,3}\smd5|authentication-key|key-string"
            rb"|(?:area|domain|isis)[ -]password(?:\s(?:clear|md5))?"
            rb"|(?:enable|line)\s(?:password|secret)(?:\s\d)?|tcp-ao-key)\s{1,8})\S++"
        ),
        (
            b"message-digest-key",
            b"authentication-key",
            b"key-string",
            b"password",
            b"secret",
            b"tcp-ao",
        ),
    ),
    Pattern(
        "secret of DNS",
        expression(rb'(?P<k>^\s*+secret\s{1,8})"[^"]{1,512}"(?=\s{0,4};)'),
        (b"secret",),
    ),
    Pattern(
        "variable of an image",
        expression(rb"(?P<k>^\s*+(?:env|arg)\s{1,8}[\w]{0,64}?", NAME, rb"\s{1,8})\S.*+"),
        (b"env", b"arg"),
    ),
    # `ip xfrm state`, `dmsetup table --showkeys`
    Pattern(
        "key of IPsec",
        expression(rb"(?P<k>\b(?:auth(?:-trunc)?|enc|aead|comp)\s\S{1,64}\s)", _HEX),
        (b"0x",),
    ),
    Pattern(
        "key of a disk",
        re.compile(rb"(?P<k>\bcrypt\s[\w:.()-]{1,64}\s)[0-9a-f]{32,}+(?=\s)"),
        (b"crypt",),
    ),
    Pattern(
        "header of nginx",
        expression(
            rb"(?P<k>\b(?:proxy_set_header|add_header|fastcgi_param|requestheader\sset|set-header)\s{1,4}[\"']?"
            rb"(?:(?:proxy-)?authorization|cookie|x-[\w-]{0,40}(?:token|key|secret|auth)[\w-]{0,20})[\"']?\s{1,4})(?:",
            QUOTED,
            rb"|[^\s;\"']++)",
        ),
        (b"header", b"fastcgi"),
    ),
)
