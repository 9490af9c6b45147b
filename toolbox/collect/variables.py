# SPDX-License-Identifier: Apache-2.0
"""Variables of an environment on one line, whatever they are called; their names stay."""

from __future__ import annotations

from typing import Final

from toolbox.collect.patterns import Pattern, expression
from toolbox.collect.values import ANY_QUOTE, BARE, ENDED, OPENED, QUOTED

_FLAG: Final = (
    rb"(?<![\w-])(?:--(?:set-?)?env(?:ironment)?|-e)"
    + ANY_QUOTE
    + rb"(?:=|\s{0,4},\s{0,4}|\s{1,4}(?:a\d{1,4}=)?)"
)
_NAME: Final = rb"[a-z_]\w{0,100}="
_KEY: Final = rb"(?P<k>(?<![a-z])env(?:s|ironment)?" + ANY_QUOTE + rb"\s*+[:=]\s*+)"
# Whatever is in a string ends nothing.
_STRING: Final = rb'(?P<s>\\{0,32}+)".*?(?:(?<!\\)(?:(?P=s)(?P=s)\\\\)*(?P=s)"|$)'
_BODY: Final = rb'(?:[^\]}\\"]+|' + _STRING + rb"|\\)*"
_OBJECTS: Final = rb'(?:[^\]\\"]+|' + _STRING + rb"|\\)*"

VARIABLES: Final = (
    Pattern("unit", expression(rb"(?P<k>^\s*Environment\s*=).*+"), (b"environment",)),
    # `--env NAME=VALUE`, `-e NAME=VALUE`, `--setenv=NAME=VALUE`, also in JSON and in audit's words
    Pattern(
        "quoted-variable",
        expression(rb"(?P<k>", _FLAG, OPENED, _NAME, rb").+?(?=", ENDED, rb")"),
        (b"env", b"-e"),
    ),
    Pattern(
        "variable",
        expression(rb"(?P<k>", _FLAG, _NAME, rb")(?:", QUOTED, rb"""|[^\s"']++)"""),
        (b"env", b"-e"),
    ),
    # `"Env":["NAME=VALUE"]`, `"environment":{"NAME":"VALUE"}`
    Pattern(
        "environment",
        expression(_KEY, rb'[\[{]\s*+(?=\\{0,32}+")', _BODY, rb"[\]}]?"),
        (b"env",),
    ),
    # `"env":[{"name":"NAME","value":"VALUE"}]`
    Pattern(
        "environment-of-objects",
        expression(_KEY, rb"\[\s*+(?=\{)", _OBJECTS),
        (b"env",),
        inner=expression(
            rb"(?P<k>(?<![a-z])value", ANY_QUOTE, rb"\s*+:\s*+)(?:", QUOTED, rb"|", BARE, rb")"
        ),
    ),
    # As Go prints them: `Env:[NAME=VALUE NAME=VALUE]`, `Env:map[NAME:VALUE]`
    Pattern(
        "environment-in-go",
        expression(
            rb"(?P<k>(?<![a-z])env(?:s|ironment)?:\s?(?:map)?)\[(?=[a-z_]\w{0,100}[=:])",
            rb"(?:[^\[\]]+|\[[^\[\]]*+\]?)*\]?",
        ),
        (b"env",),
    ),
    # `EnvVar{Name:NAME,Value:VALUE,ValueFrom:nil,}` of kubelet, `{Name:NAME Value:VALUE ...}`
    Pattern(
        "variable-in-go",
        expression(
            rb"(?P<k>(?:envvar\{name:[\w.\-]{1,256},value:"
            rb"|\{name:[\w.\-]{1,256}\svalue:(?=.{0,1024}?\svaluefrom:)))(?![,\s]valuefrom:)",
            rb".+?(?=[,\s]valuefrom:|$)",
        ),
        (b"{name:",),
    ),
    # `KeyValue{Key:NAME,Value:VALUE,}` of the container runtime interface
    Pattern(
        "variable-of-runtime",
        expression(rb"(?P<k>keyvalue\{key:[\w.\-]{1,256},value:)(?!,\})", rb".+?(?=,\}|$)"),
        (b"keyvalue{",),
    ),
)
