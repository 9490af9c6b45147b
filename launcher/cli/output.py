# SPDX-License-Identifier: Apache-2.0
"""What the command prints: text for people, one JSON object for programs, errors as both."""

from __future__ import annotations

import enum
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from launcher.errors import HatchwayError
    from launcher.plan import Plan
    from launcher.runtimes import Choice


class Output(enum.StrEnum):
    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"


def asked_for(argv: Sequence[str]) -> Output:
    """The form that the command line asks for, also when the rest of it is wrong."""
    words = iter(argv)
    for word in words:
        if word == "--":
            break
        if word in ("--output", "-o"):
            value = next(words, "")
        elif word.startswith(("--output=", "-o")):
            value = word.removeprefix("--output=").removeprefix("-o")
        else:
            continue
        if value in tuple(Output):
            return Output(value)
    return Output.TEXT


def data(value: Any, form: Output) -> None:
    """One JSON object on standard output; compact for `jsonl`."""
    indent = 2 if form is Output.JSON else None
    print(json.dumps(value, indent=indent))


def line(text: str) -> None:
    """One line that is to be seen at once, whoever reads us through a pipe."""
    print(text, flush=True)


def lines(text: Iterable[str]) -> None:
    for each in text:
        line(each)


def plan(planned: Plan, choice: Choice, form: Output) -> None:
    """What would be started, and by which engine."""
    if form is Output.TEXT:
        lines([f"runtime    {choice.runtime.describe()} ({choice.why})", *planned.describe()])
        return
    facts = {"runtime": choice.runtime.describe(), "why": choice.why}
    data({**facts, "digest": planned.digest(), "plan": planned.as_json()}, form)


def notice(text: str) -> None:
    """A line for whoever watches, beside what the command prints."""
    print(f"hatchway: {text}", file=sys.stderr, flush=True)


def warning(text: str) -> None:
    print(f"hatchway: warning: {text}", file=sys.stderr)


def error(problem: HatchwayError, form: Output) -> None:
    """JSON goes to standard output, where the caller reads; text to standard error."""
    if form is not Output.TEXT:
        data(problem.as_json(), form)
        return
    print(f"hatchway: {problem.message} [{problem.code}]", file=sys.stderr)
    for said in str(problem.details.get("log", "")).splitlines():
        print(f"  | {said}", file=sys.stderr)
    if problem.hint:
        print(f"  hint: {problem.hint}", file=sys.stderr)
