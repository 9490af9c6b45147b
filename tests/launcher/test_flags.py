# SPDX-License-Identifier: Apache-2.0
"""Fields of a dataclass are options of a command, as if each were a parameter."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from launcher.cli import flags

app = typer.Typer()


@dataclasses.dataclass(frozen=True)
class Wanted:
    name: Annotated[str, typer.Option("--name", "-n", help="Whose it is.")] = "nobody"
    many: Annotated[list[int] | None, typer.Option("--many")] = None


@app.command()
@flags.spread("wanted", Wanted)
def show(
    first: Annotated[str, typer.Argument()],
    wanted: Wanted,
    last: Annotated[bool, typer.Option("--last", help="Comes last.")] = False,
) -> int:
    """Show what came."""
    print(first, wanted.name, wanted.many, last)
    return 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("x", "x nobody None False"),
        ("x -n me --many 1 --many 2 --last", "x me [1, 2] True"),
    ],
)
def test_the_fields_are_given_by_options_and_reach_the_command_as_one(line: str, said: str) -> None:
    done = CliRunner().invoke(app, line.split())
    assert done.stdout.strip() == said


def test_help_has_them_where_the_parameter_stands_and_the_commands_own_words() -> None:
    text = CliRunner().invoke(app, ["--help"]).stdout
    assert "Show what came." in text
    assert text.index("--name") < text.index("--many") < text.index("--last")


def test_a_value_of_the_wrong_kind_is_refused() -> None:
    assert CliRunner().invoke(app, ["x", "--many", "one"]).exit_code == 2
