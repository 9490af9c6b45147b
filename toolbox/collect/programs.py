# SPDX-License-Identifier: Apache-2.0
"""Secrets among the words of programs whose flags are known, though no name says so.

A table: the programs, their flags, and what of the word after a flag is the secret. It is applied
to unit files, histories, audit records, `ps`, scripts: wherever such a command line stands.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from toolbox.collect.patterns import Pattern, expression
from toolbox.collect.values import QUOTED

_MOST_FLAGS: Final = 4
_WORD: Final = rb"(?:" + QUOTED + rb"""|[^\s"'|;&]++)"""
_AFTER_COLON: Final = rb"""["']?[^\s"':%]{1,128}[:%]"""

# programs, flags, and the part of the value that stays: nothing, or the user before a colon.
_FLAGS: Final = (
    ("curl", "-u|--user|-U|--proxy-user", _AFTER_COLON),
    ("skopeo|podman|buildah|crane|oras", "--creds|--src-creds|--dest-creds", _AFTER_COLON),
    ("crictl|ctr|nerdctl", "--creds|--user|-u|--auth", _AFTER_COLON),
    ("etcdctl|smbclient|rpcclient|mount.cifs", "--user|-U", _AFTER_COLON),
    ("crictl", "--auth", b""),
    ("docker|podman|nerdctl|helm|buildah|skopeo|oras|crane|az|oc", "-p", b"login"),
    ("sshpass", "-p", b""),
    ("redis-cli|keydb-cli|valkey-cli", "-a", b""),
    ("mongo|mongosh|mongodump|mongorestore|mongoexport|mongoimport", "-p", b""),
    ("ldapsearch|ldapadd|ldapmodify|ldapdelete|ldapwhoami|ldappasswd", "-w|-s", b""),
    ("ipmitool", "-P", b""),
    ("sqlcmd|bcp|isql|osql", "-P", b""),
    ("snmpget|snmpwalk|snmpset|snmpbulkwalk|snmpbulkget|snmptrap", "-c|-A|-X", b""),
    ("useradd|usermod", "-p", b""),
    ("openssl", "-k|-K", b""),
    ("clickhouse-client|psql|influx|cqlsh", "-p|--pw", b""),
    ("zip|unzip|7z", "-P", b""),
    ("expect|xfreerdp|wlfreerdp", "/p", b""),
    ("cloudflared", "--tunnel-secret", b""),
    ("kubeadm", "--certificate-key", b""),
)


@dataclasses.dataclass(frozen=True, slots=True)
class _Repeated(Pattern):
    """One command line may have several such flags."""

    def replace(self, line: bytes) -> tuple[bytes, int]:
        count = 0
        for _ in range(_MOST_FLAGS):
            line, found = Pattern.replace(self, line)
            if not found:
                break
            count += found
        return line, count


def _flagged(programs: str, flags: str, kept: bytes) -> Pattern:
    words = b"login" if kept == b"login" else b""
    keep = b"" if words else kept
    return _Repeated(
        f"flag of {programs}",
        expression(
            rb"(?P<k>(?<![\w.-])(?:", programs.encode().replace(b".", rb"\."), rb")\s",
            rb"[^\n|;&]{0,60}?" + words + rb"\s" if words else b"",
            rb"(?:[^\n|;&]{0,600}?\s)?(?-i:", flags.encode(), rb")(?:\s{1,4}|=|:)", keep,
            rb")(?!-|\[redacted)", _WORD if not keep else rb"""[^\s"'|;&]++""",
        ),
        (words,) if words else tuple(word.encode() for word in programs.split("|")),
    )  # fmt: skip


PROGRAMS: Final = (
    *(_flagged(*row) for row in _FLAGS),
    # The word is the flag's own: `mysql -psecret`, `7z x -psecret`
    Pattern(
        "password after -p",
        expression(
            rb"(?P<k>(?<![\w.-])(?:mysql\w{0,20}|mariadb[\w-]{0,20}|7z)\s(?:[^\n|;&]{0,400}?\s)?(?-i:-p))",
            rb"""(?!ort|rotocol|rint|arallel|ager)(?:""",
            QUOTED,
            rb"""|[^\s"'|;&=-][^\s"'|;&]*+)""",
        ),
        (b"mysql", b"mariadb", b"7z"),
    ),
    Pattern(
        "word after the user",
        expression(
            rb"(?P<k>(?<![\w.-])(?:htpasswd\s(?:-[a-zA-Z]{1,8}\s){0,4}?-[a-zA-Z]{0,8}b[a-zA-Z]{0,8}\s\S{1,200}\s\S{1,64}"
            rb"|rabbitmqctl\s(?:\S{1,64}\s){0,4}?(?:add_user|change_password)\s\S{1,64}"
            rb"|wpa_passphrase\s\S{1,64}|vault\slogin(?:\s-\S{1,64})*"
            rb"|aws\sconfigure\sset\saws_(?:secret_access_key|session_token)"
            rb"|nmcli\s[^\n|;&]{0,300}?[\w-]{1,40}\.(?:psk|password|wep-key\d)"
            rb"|kubectl\sconfig\sset\s\S{1,128}(?:token|password))\s{1,4})",
            rb"(?!-)",
            _WORD,
        ),
        (b"htpasswd", b"rabbitmqctl", b"wpa_passphrase", b"vault", b"aws", b"nmcli", b"kubectl"),
    ),
    Pattern(
        "literal",
        expression(rb"(?P<k>--from-literal(?:=|\s{1,4})[\"']?[\w.\-]{1,128}=)", _WORD),
        (b"--from-literal",),
    ),
    Pattern(
        "kv put",
        expression(rb"(?P<k>\bvault\s(?:kv\s(?:put|patch)|write)\s)(?=[^\n|;&]*=)[^\n|;&]++"),
        (b"vault",),
    ),
    Pattern(
        "pass phrase",
        expression(rb"(?P<k>(?<![\w-])-pass(?:in|out)?\s{1,4}[\"']?pass:)", rb"""[^\s"'|;&]++"""),
        (b"pass:",),
    ),
    Pattern(
        "mount option",
        expression(rb"(?P<k>(?<![\w-])(?:-o\s{1,4}|,)pass(?:word)?=)[^\s,\"']++"),
        (b"pass",),
    ),
    # What is given on standard input: `echo root:x | chpasswd`, `echo x | passwd --stdin root`
    Pattern(
        "piped",
        expression(
            rb"(?P<k>\b(?:echo|printf)\s(?:-\w{1,4}\s|%s\s|'%s'\s|\"%s\"\s)?)[^|\n]{1,300}?(?=\s{0,4}\|\s{0,4}(?:sudo\s)?(?:chpasswd"
            rb"|passwd\s(?:--stdin|-s)|cryptsetup\s|(?:docker|podman|nerdctl|helm|oras|skopeo|buildah|crane)\s[^\n|]{0,80}?login"
            rb"|sudo\s-S|su\s|openssl\s|gpg\s))"
        ),
        (b"echo", b"printf"),
    ),
    Pattern(
        "here string",
        expression(rb"(?P<k>\b(?:chpasswd|passwd\s--stdin\s\S{1,64})\s{0,4}<<<\s{0,4})", _WORD),
        (b"<<<",),
    ),
)
