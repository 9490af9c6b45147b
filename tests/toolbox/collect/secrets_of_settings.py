# SPDX-License-Identifier: Apache-2.0
"""Secrets in settings: lists, maps, blocks, alignment, and names without a gap."""

from __future__ import annotations

from tests.toolbox.collect.planted import WORD, planted

_GLUED = (
    "requirepass {}", "dbpass={}", "userpass: {}", "rootpw={}", "bindpw {}", "olcRootPW: {}",
    "AccountName=x;AccountKey={};EndpointSuffix=y", "storage_key={}", "master_key: {}",
    "hmac_key={}", "HMACKEY={}", "bindpw {} # why",
)  # fmt: skip

OF_SETTINGS = (
    *(planted(text, text.format(WORD)) for text in _GLUED),
    planted("list", f"tokens:\n- {WORD}a\n- {WORD}b\nnext: 1", f"{WORD}a", f"{WORD}b"),
    planted("list further in", f"x:\n  tokens:\n    - a\n\n    - {WORD}\nnext: 1"),
    planted("map", f"secret:\n  value: a\n  b: {WORD}\nnext: 1"),
    planted("map in a list", f"- secret:\n    value: a\n    b: {WORD}\n  name: shown"),
    planted("map in maps", f"credentials:\n  x:\n    y:\n      z: {WORD}\nnext: 1"),
    planted("map in JSON", f'"secret": {{\n  "value": "a",\n  "b": "{WORD}"\n}},\n"next": 1'),
    planted("map on one line", f'"secret":{{"value":"a","b":"{WORD}"}}'),
    planted("map in flow", f"secret: {{ value: a, b: {WORD} }}"),
    planted("passwords of cloud-init", f"chpasswd:\n  list: |\n    a:{WORD}a\n    b:{WORD}b\nx: 1"),
    planted("password of cloud-init", f"chpasswd:\n  users:\n  - name: a\n    password: {WORD}"),
    planted("JSON in JSON in JSON", rf'"a":"{{\\\"password\\\":\\\"{WORD}\\\"}}"'),
    planted("number in JSON in JSON", r'"a":"{\"accessKey\":987654321,\"x\":1}"', "987654321"),
    planted("header in JSON in JSON", rf'"a":"{{\"Authorization\":[\"Basic {WORD}\"]}}"'),
    planted("aligned", f"password{' ' * 30}={' ' * 30}{WORD}"),
    planted("element", f"<server><password>{WORD}</password></server>"),
    planted("element with attributes", f'<x:password kind="plain">{WORD}</x:password>'),
    planted("element on lines", f"<password>\n  {WORD}\n</password>"),
)
