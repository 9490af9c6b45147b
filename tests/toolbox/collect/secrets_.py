# SPDX-License-Identifier: Apache-2.0
"""Secrets as nodes have them: each with the text around it."""

from __future__ import annotations

import base64

from tests.toolbox.collect.planted import WORD, Planted, planted

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


PLANTED = (
    planted("ini", f"password = {WORD}"),
    planted("ini with blanks", "db.password = two words 9", "words 9"),
    planted("environment file", f"export DB_PASSWORD={WORD}"),
    planted("quoted", f"client_secret: '{WORD}'"),
    planted("json", f'{{"user": "x", "password": "{WORD}", "port": 1}}'),
    planted("json with escapes", f'{{"token":"a\\"{WORD}","x":1}}'),
    planted("json in json", f'{{"log":"{{\\"secret\\":\\"{WORD}\\"}}"}}'),
    planted("json number", '{"accessKey":987654321,"x":1}', "987654321"),
    planted("json list", f'"tokens": ["{WORD}", "b"]'),
    planted("json list over lines", f'"tokens": [\n  "{WORD}",\n  "b"\n]'),
    planted("json value on the next line", f'"password":\n  "{WORD}"'),
    planted("yaml", f"  apiKey: {WORD}"),
    planted("yaml block", f"secret: |\n  one\n  {WORD}\nnext: 1"),
    planted("toml multi-line", f'user-data = """\n#!/bin/sh\n{WORD}\n"""'),
    planted("yaml env", f"env:\n- name: HOME\n  value: {WORD}\n- name: X\n  value: y"),
    planted("yaml env name", f"- name: DB_PASSWORD\n  value: {WORD}"),
    planted("json env name", f'"name": "API_TOKEN",\n"value": "{WORD}"'),
    planted("inspect", f'"Env": [\n  "PATH=/bin",\n  "HARMLESS={WORD}"\n],'),
    planted("inspect on one line", f'{{"Env":["PATH=/bin","HARMLESS=[{WORD}]","B=c"],"x":1}}'),
    planted("unit file", f"Environment=HARMLESS={WORD}"),
    planted("argv", f"/usr/bin/x --token {WORD} --verbose"),
    planted("argv with equals", f"/usr/bin/x --client-secret={WORD}"),
    planted("argv in json", f'["x", "--password", "{WORD}"]'),
    planted("argv in pretty json", f'"--password",\n"{WORD}"'),
    planted("argv in yaml", f"- --password\n- {WORD}"),
    planted("variable in argv", f"docker run -e HARMLESS={WORD} x"),
    planted("variable of a unit", f"systemd-run --unit=x --setenv=HARMLESS={WORD} tail"),
    planted("variable in quotes", f'podman run --env "HARMLESS=two {WORD}" x'),
    planted("variable in json", f'["run","--env","HARMLESS={WORD}"]'),
    planted("bearer", f"curl -H 'X: y' bearer {WORD}"),
    planted("header", f"Authorization: Basic {WORD}"),
    planted("header in json", f'"Authorization":["Bearer {WORD}"]'),
    planted("cookie", f"< Set-Cookie: session={WORD}; Path=/"),
    planted("aws header", f"X-Amz-Security-Token: {WORD}"),
    planted("url", f"https://puller:{WORD}@registry.example.com/v2/"),
    planted("url with odd password", f"https://puller:a@/{WORD}@registry.example.com/v2/"),
    planted("url with token alone", f"https://{WORD}@github.com/x"),
    planted("query", f"GET /x?access_token={WORD}&y=1"),
    planted("jwt", f"token is {JWT}.", JWT),
    planted("bootstrap token", "joining with abcdef.0123456789abcdef.", "0123456789abcdef"),
    planted("aws key id", "using AKIAIOSFODNN7EXAMPLE now", "AKIAIOSFODNN7EXAMPLE"),
    planted("aws secret", "x wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY1", "wJalrXUtnFEMI/K7MDENG"),
    planted("alibaba key id", "id LTAI5tKQh2nExample9Ab", "LTAI5tKQh2nExample9Ab"),
    planted("alibaba secret", f"accessKeySecret: {WORD}"),
    planted("github", f"ghp_{'a1B2' * 9}", "a1B2a1B2a1B2"),
    planted("age", f"AGE-SECRET-KEY-1{'Q' * 30}", "QQQQQQQQ"),
    planted("crypt", "root:$6$saltsalt$abcDEF0123./xyzabcDEF:19000", "abcDEF0123./xyz"),
    planted(
        "docker config",
        '{"auths":{"r.example.com":{"auth":"cHVsbGVyOnB3OTk="}}}',
        "cHVsbGVyOnB3OTk=",
    ),
    planted("kubeconfig", f"    client-key-data: {PACKED_PEM}", PACKED_PEM[8:60]),
    planted("key in base64 alone", PACKED_PEM, PACKED_PEM[8:60]),
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
