# SPDX-License-Identifier: Apache-2.0
"""Secrets leave no stream, wherever its chunks end; what is harmless stays."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toolbox.collect import secrets_by_knowledge as known
from tests.toolbox.collect.harmless import HARMLESS
from tests.toolbox.collect.planted import WORD, Planted
from tests.toolbox.collect.secrets_ import PEM
from tests.toolbox.collect.secrets_ import PLANTED as OF_ALL_KINDS
from tests.toolbox.collect.secrets_of_commands import OF_COMMANDS
from tests.toolbox.collect.secrets_of_containers import OF_CONTAINERS
from tests.toolbox.collect.secrets_of_settings import OF_SETTINGS
from toolbox.collect.patterns import MARK
from toolbox.collect.redaction import LONGEST_LINE, TOO_LONG, Redactor

PLANTED = (
    *(*OF_ALL_KINDS, *OF_CONTAINERS, *OF_COMMANDS, *OF_SETTINGS),
    *(*known.OF_STRUCTURES, *known.OF_COMMANDS, *known.OF_SERVERS, *known.OF_SERVICES),
)
EXAMPLES = int(os.environ.get("REDACTION_EXAMPLES", "150"))


def in_chunks(content: bytes, cuts: list[int]) -> bytes:
    redactor = Redactor()
    places = sorted(cut % (len(content) + 1) for cut in cuts)
    ends = zip([0, *places], [*places, len(content)], strict=True)
    return b"".join(redactor.feed(content[a:b]) for a, b in ends) + redactor.finish()


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: str(planted.name))
def test_a_secret_does_not_come_through(planted: Planted) -> None:
    redactor = Redactor()
    through = redactor.whole(planted.text.encode()).decode()
    assert [secret for secret in planted.secrets if secret in through] == []
    assert redactor.count > 0


@pytest.mark.parametrize("line", HARMLESS)
def test_what_is_harmless_comes_through_unchanged(line: str) -> None:
    assert Redactor().whole(line.encode()) == line.encode()


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.lists(st.sampled_from(PLANTED), min_size=1, max_size=4),
    st.lists(st.sampled_from(HARMLESS), max_size=3),
    st.lists(st.integers(min_value=0, max_value=1 << 16), max_size=8),
    st.randoms(use_true_random=False),
)
def test_it_does_not_matter_where_chunks_end(
    planted: list[Planted], harmless: list[str], cuts: list[int], chance: st.DataObject
) -> None:
    texts = [each.text for each in planted] + harmless
    chance.shuffle(texts)  # type: ignore[attr-defined]
    content = "\n".join(texts).encode()
    through = in_chunks(content, cuts)
    assert through == Redactor().whole(content)
    secrets = [secret.encode() for each in planted for secret in each.secrets]
    assert [secret for secret in secrets if secret in through] == []


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=4000), st.lists(st.integers(min_value=0, max_value=4000), max_size=6))
def test_any_bytes_come_through_in_the_same_way_however_they_are_cut(
    content: bytes, cuts: list[int]
) -> None:
    assert in_chunks(content, cuts) == Redactor().whole(content)


def test_the_name_beside_a_secret_stays() -> None:
    assert (
        Redactor().whole(b"db.password = x1\nport = 1\n") == b"db.password = [redacted]\nport = 1\n"
    )
    assert Redactor().whole(b'{"token": "abc", "port": 1}') == b'{"token": [redacted], "port": 1}'


def test_the_names_of_variables_stay_and_their_values_go() -> None:
    inspected = '"Env": [\n  "PATH=/bin",\n  "HOME=/root"\n],\n"Cmd": "sh"'
    through = Redactor().whole(inspected.encode()).decode()
    assert through == '"Env": [\n  "PATH=[redacted],\n  "HOME=[redacted]\n],\n"Cmd": "sh"'


def test_what_follows_a_secret_of_several_lines_comes_through() -> None:
    command = f"ExecStart=/x --secret={WORD} \\\n  --token \\\n  {WORD} \\\n  --port 22\n"
    assert Redactor().text(command) == (
        "ExecStart=/x --secret=[redacted] \\\n  --token \\\n  [redacted]\n  --port 22\n"
    )
    table = f"secret:\n  value: {WORD}\n  name: db\nport: 1\n"
    assert Redactor().text(table) == "secret:\n  [redacted]\n  name: db\nport: 1\n"
    variables = f'Environment="A=b" \\\n  "C={WORD}"\nUser=x\n'
    assert Redactor().text(variables) == "Environment=[redacted]\n  [redacted]\nUser=x\n"


def test_the_names_of_variables_on_one_line_stay() -> None:
    pod = f'{{"env":[{{"name":"A","value":"{WORD}"}},{{"name":"B","value":"x"}}],"image":"web"}}'
    assert Redactor().text(pod) == (
        '{"env":[{"name":"A","value":[redacted]},{"name":"B","value":[redacted]}],"image":"web"}'
    )
    go = f"Env:[]EnvVar{{EnvVar{{Name:A,Value:{WORD},ValueFrom:nil,}},}},Image:web"
    assert Redactor().text(go) == (
        "Env:[]EnvVar{EnvVar{Name:A,Value:[redacted],ValueFrom:nil,},},Image:web"
    )


@pytest.mark.parametrize(
    "part",
    [
        *('password="', "value:", "token:", "{name:a value:", '"env":[{', 'EnvVar{Name:a,Value:"'),
        *(
            "--token ",
            "<password",
            'a1="--token" ',
            "secret:{a:",
            "\\",
            '\\"',
            "x-token: ",
            "-e a=",
        ),
    ],
)
def test_a_line_that_is_made_to_take_long_comes_to_an_end(part: str) -> None:
    line = "password " + part * (LONGEST_LINE // len(part) - 10) + " token"
    assert Redactor().text(f"{line}\n{{}}\nnext").endswith("next")


def test_what_follows_a_key_comes_through() -> None:
    through = Redactor().whole(f"before\n{PEM}\nafter\n".encode())
    assert through.startswith(b"before\n" + MARK)
    assert through.endswith(b"\nafter\n")


def test_a_beginning_of_a_key_does_not_swallow_the_rest_of_a_log() -> None:
    lines = [b"-----BEGIN PRIVATE KEY-----", *(b"line %d" % n for n in range(1000))]
    assert Redactor().whole(b"\n".join(lines)).endswith(b"\nline 999")


@pytest.mark.parametrize("size", [LONGEST_LINE + 1, LONGEST_LINE * 3])
def test_a_line_that_is_too_long_is_left_out_and_the_next_comes_through(size: int) -> None:
    content = b"first\n" + b"x" * size + f" password={WORD}\nnext\n".encode()
    through = in_chunks(content, [100, LONGEST_LINE // 2, LONGEST_LINE + 50])
    assert through == b"first\n" + TOO_LONG + b"\nnext\n"
