# SPDX-License-Identifier: Apache-2.0
"""Environments of containers on one line, as runtimes, kubelet and manifests have them."""

from __future__ import annotations

import json

from tests.toolbox.collect.planted import WORD, planted

_POD = json.dumps(
    {"spec": {"containers": [{"name": "web", "env": [
        {"name": "GREETING", "value": f'a "]}}, {WORD}'},
        {"name": "PLACE", "value": f"{WORD}\\"},
        {"value": WORD, "name": "OTHER"},
        {"name": "REF", "valueFrom": {"secretKeyRef": {"name": "db", "key": "x"}}},
        {"name": "LAST", "value": WORD},
    ]}]}}
)  # fmt: skip
_COMPACT = json.dumps(json.loads(_POD), separators=(",", ":"))
_VARIABLE = "EnvVar{{Name:{},Value:{},ValueFrom:nil,}}"
_VARIABLES = _VARIABLE.format("HOME", f"a,b }} {WORD}") + "," + _VARIABLE.format("DB", WORD)

OF_CONTAINERS = (
    planted(
        "container that kubelet cannot start",
        'E1121 10:00:00 812 kuberuntime_manager.go:1341] "Unhandled Error" '
        f'err="container &Container{{Name:web,Env:[]EnvVar{{{_VARIABLES},}},}} start failed"',
    ),
    planted("variable in Go without commas", f"[{{Name:DB Value:{WORD} ValueFrom:nil}}]"),
    planted("variable of the runtime", f"Envs:[]*KeyValue{{&KeyValue{{Key:FOO,Value:{WORD},}},}}"),
    planted("name and value", f'{{"name":"DB_PASSWORD","value":"{WORD}"}}'),
    planted("value and name", f'{{"value":"{WORD}","name":"DB_PASSWORD"}}'),
    planted("name and value with blanks", f'{{ "name" : "DB_PASSWORD" , "value" : "{WORD}" }}'),
    planted("name, more, value", f'{{"name":"API_TOKEN","type":"text","value":"{WORD}"}}'),
    planted("name and value escaped", rf'"{{\"name\":\"DB_PASSWORD\",\"value\":\"{WORD}\"}}"'),
    planted("value and name escaped", rf'"{{\"value\":\"{WORD}\",\"name\":\"DB_PASSWORD\"}}"'),
    planted("name and value in flow", f"{{name: DB_PASSWORD, value: {WORD}}}"),
    planted("value and name in flow", f"{{value: {WORD}, name: DB_PASSWORD}}"),
    planted("environment of objects", f'"environment":[{{"name":"FOO","value":"{WORD}"}}]'),
    planted("environment of numbers", '"env":[{"name":"PIN","value":90210}]', "90210"),
    planted("environment in flow", f"env: [{{name: FOO, value: {WORD}}}]"),
    planted("environment as a map", f'{{"environment":{{"FOO":"{WORD}","BAR":"}}{WORD}"}}}}'),
    planted("environment in Go", f"Env:[PATH=/bin FOO={WORD} BAR=[x] {WORD}] Cmd:[sh]"),
    planted("environment as a map in Go", f"Env:map[PATH:/bin FOO:{WORD}]"),
    planted("environment escaped", rf'"{{\"Env\":[\"PATH=/bin\",\"FOO={WORD}\"]}}"'),
    planted("pod", _POD),
    planted("pod without blanks", _COMPACT),
    planted("pod in JSON", json.dumps({"annotation": _COMPACT})),
    planted("pod in JSON in JSON", json.dumps({"a": json.dumps({"annotation": _COMPACT})})),
    planted(
        "pod as last applied",
        f"    kubectl.kubernetes.io/last-applied-configuration: |\n      {_COMPACT}",
    ),
)
