# SPDX-License-Identifier: Apache-2.0
"""Secrets as nodes have them: each with the text around it."""

from __future__ import annotations

import base64
from typing import NamedTuple


class Planted(NamedTuple):
    """`secrets` are the parts of `text` that must not leave the host."""

    name: str
    text: str
    secrets: tuple[str, ...]


WORD = "hunter2-Zq9"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJlLW9mLWl0"
KEY_LINES = tuple(
    base64.b64encode(bytes((i * 37 + j * 11 + i * j) % 256 for j in range(48))).decode()
    for i in range(1, 9)
)
KEY_END = "Zm9vYmFyOTk="
PEM = "\n".join(
    ("-----BEGIN RSA PRIVATE KEY-----", *KEY_LINES, KEY_END, "-----END RSA PRIVATE KEY-----")
)
PEM_SECRETS = (*KEY_LINES, KEY_END)
PACKED_PEM = base64.b64encode(PEM.encode()).decode()


def _one(name: str, text: str, secret: str = WORD) -> Planted:
    assert secret in text
    return Planted(name, text, (secret,))


PLANTED = (
    _one("ini", f"password = {WORD}"),
    _one("ini with blanks", "db.password = two words 9", "words 9"),
    _one("environment file", f"export DB_PASSWORD={WORD}"),
    _one("quoted", f"client_secret: '{WORD}'"),
    _one("json", f'{{"user": "x", "password": "{WORD}", "port": 1}}'),
    _one("json with escapes", f'{{"token":"a\\"{WORD}","x":1}}'),
    _one("json in json", f'{{"log":"{{\\"secret\\":\\"{WORD}\\"}}"}}'),
    _one("json number", '{"accessKey":987654321,"x":1}', "987654321"),
    _one("json list", f'"tokens": ["{WORD}", "b"]'),
    _one("json list over lines", f'"tokens": [\n  "{WORD}",\n  "b"\n]'),
    _one("json value on the next line", f'"password":\n  "{WORD}"'),
    _one("yaml", f"  apiKey: {WORD}"),
    _one("yaml block", f"secret: |\n  one\n  {WORD}\nnext: 1"),
    _one("toml multi-line", f'user-data = """\n#!/bin/sh\n{WORD}\n"""'),
    _one("yaml env", f"env:\n- name: HOME\n  value: {WORD}\n- name: X\n  value: y"),
    _one("yaml env name", f"- name: DB_PASSWORD\n  value: {WORD}"),
    _one("json env name", f'"name": "API_TOKEN",\n"value": "{WORD}"'),
    _one("inspect", f'"Env": [\n  "PATH=/bin",\n  "HARMLESS={WORD}"\n],'),
    _one("inspect on one line", f'{{"Env":["PATH=/bin","HARMLESS=[{WORD}]","B=c"],"x":1}}'),
    _one("unit file", f"Environment=HARMLESS={WORD}"),
    _one("argv", f"/usr/bin/x --token {WORD} --verbose"),
    _one("argv with equals", f"/usr/bin/x --client-secret={WORD}"),
    _one("argv in json", f'["x", "--password", "{WORD}"]'),
    _one("argv in pretty json", f'"--password",\n"{WORD}"'),
    _one("argv in yaml", f"- --password\n- {WORD}"),
    _one("variable in argv", f"docker run -e HARMLESS={WORD} x"),
    _one("variable of a unit", f"systemd-run --unit=x --setenv=HARMLESS={WORD} tail"),
    _one("variable in quotes", f'podman run --env "HARMLESS=two {WORD}" x'),
    _one("variable in json", f'["run","--env","HARMLESS={WORD}"]'),
    _one("bearer", f"curl -H 'X: y' bearer {WORD}"),
    _one("header", f"Authorization: Basic {WORD}"),
    _one("header in json", f'"Authorization":["Bearer {WORD}"]'),
    _one("cookie", f"< Set-Cookie: session={WORD}; Path=/"),
    _one("aws header", f"X-Amz-Security-Token: {WORD}"),
    _one("url", f"https://puller:{WORD}@registry.example.com/v2/"),
    _one("url with odd password", f"https://puller:a@/{WORD}@registry.example.com/v2/"),
    _one("url with token alone", f"https://{WORD}@github.com/x"),
    _one("query", f"GET /x?access_token={WORD}&y=1"),
    _one("jwt", f"token is {JWT}.", JWT),
    _one("bootstrap token", "joining with abcdef.0123456789abcdef.", "0123456789abcdef"),
    _one("aws key id", "using AKIAIOSFODNN7EXAMPLE now", "AKIAIOSFODNN7EXAMPLE"),
    _one("aws secret", "x wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY1", "wJalrXUtnFEMI/K7MDENG"),
    _one("alibaba key id", "id LTAI5tKQh2nExample9Ab", "LTAI5tKQh2nExample9Ab"),
    _one("alibaba secret", f"accessKeySecret: {WORD}"),
    _one("github", f"ghp_{'a1B2' * 9}", "a1B2a1B2a1B2"),
    _one("age", f"AGE-SECRET-KEY-1{'Q' * 30}", "QQQQQQQQ"),
    _one("crypt", "root:$6$saltsalt$abcDEF0123./xyzabcDEF:19000", "abcDEF0123./xyz"),
    _one(
        "docker config",
        '{"auths":{"r.example.com":{"auth":"cHVsbGVyOnB3OTk="}}}',
        "cHVsbGVyOnB3OTk=",
    ),
    _one("kubeconfig", f"    client-key-data: {PACKED_PEM}", PACKED_PEM[8:60]),
    _one("key in base64 alone", PACKED_PEM, PACKED_PEM[8:60]),
    Planted("key", PEM, PEM_SECRETS),
    Planted(
        "key in a log", "\n".join(f"Nov 21 h app[1]: {x}" for x in PEM.splitlines()), PEM_SECRETS
    ),
    Planted("key on one line", '{"key":"' + PEM.replace("\n", "\\n") + '","x":1}', PEM_SECRETS),
    Planted("key without its beginning", "\n".join(PEM.splitlines()[3:]), PEM_SECRETS[2:]),
    Planted("key without its end", "\n".join(PEM.splitlines()[:6]), PEM_SECRETS[:5]),
    Planted(
        "key in yaml", "x: |\n" + "\n".join(f"  {line}" for line in PEM.splitlines()), PEM_SECRETS
    ),
)

# What an engineer needs to see.
HARMLESS = (
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "Nov 21 10:00:00 node kubelet[812]: E1121 failed to sync pod default/web-0: timeout",
    "tokenFile: /var/run/secrets/kubernetes.io/token",
    "--tls-private-key-file=/var/lib/kubelet/pki/kubelet.key --v=2",
    "automountServiceAccountToken: false",
    'secretName: "web-tls"',
    "net.ipv4.tcp_syncookies = 1",
    "Accepted publickey for admin ssh2: ED25519 SHA256:RJ7Nl81Ntvy8qNSbK/XMxMh7ijpq+SGmgbYD/V8pQIE",
    "overlay / overlay rw,lowerdir=/var/lib/containers/storage/overlay/l/ABCDEFGHIJKLMNOPQRSTUVW12",
    "https://registry.example.com/v2/library/alpine@sha256:9f86d081884c7d65",
    "10.0.0.1:6443 2001:db8::1 02:00:00:00:00:01",
    "Linux version 5.10.0-30-amd64 (debian-kernel@lists.debian.org)",
    "EXT4-fs (vda1): mounted filesystem with ordered data mode. Opts: (null)",
    "Started Session 2 of user root.",
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),task=python3,pid=7,uid=0",
)
