# SPDX-License-Identifier: Apache-2.0
"""What the command prints: text for people, one JSON object for programs, errors as both."""

from __future__ import annotations

import contextlib
import enum
import json
import re
import sys
from typing import TYPE_CHECKING, Any, Final

from launcher import escape, streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from launcher.errors import HatchwayError
    from launcher.plan import Plan
    from launcher.runtimes import Choice


_HALF_A_PAIR: Final = re.compile(r"\\ud[89a-f]")  # or a whole one, which stays
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Output(enum.StrEnum):
    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"


class UnheardError(Exception):
    """Standard output takes no more: `gone` when its reader has gone, else it says why."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output cannot be written: {error.strerror}")
        self.gone = isinstance(error, BrokenPipeError)


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """For what writes to standard output by itself."""
    try:
        yield
    except OSError as error:
        streams.abandon(sys.stdout)
        raise UnheardError(error) from None


@contextlib.contextmanager
def answer() -> Iterator[None]:
    """For what tells of something that is done: done it is, whether or not anybody hears it."""
    try:
        yield
    except UnheardError as lost:
        warning(f"it is done, but {lost}")


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
    """One JSON object on standard output; compact for `jsonl`.

    It is ASCII, with control characters by their numbers; a byte that is no text becomes U+FFFD,
    for half a surrogate pair is nothing that every reader takes.
    """
    indent = 2 if form is Output.JSON else None
    text = json.dumps(value, indent=indent, allow_nan=False)
    if _HALF_A_PAIR.search(text):
        whole = _SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False))
        text = json.dumps(json.loads(whole), indent=indent)
    _write(text.replace("\x7f", "\\u007f"), shown=escape.block)


def line(text: str) -> None:
    """What is to be seen at once, whoever reads us through a pipe."""
    _write(text)


def _write(text: str, shown: Callable[[str], str] = escape.line) -> None:
    try:
        streams.write(text, sys.stdout, shown)
    except OSError as error:
        streams.abandon(sys.stdout)
        raise UnheardError(error) from None


def passing(text: str) -> None:
    """A line of what goes on, and goes on whether or not anybody hears it."""
    with contextlib.suppress(UnheardError):
        line(text)


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
    streams.tell(f"hatchway: {text}")


def warning(text: str) -> None:
    notice(f"warning: {text}")


def error(problem: HatchwayError, form: Output) -> None:
    """JSON goes to standard output, where the caller reads; text to standard error."""
    if form is not Output.TEXT:
        with contextlib.suppress(UnheardError):
            data(problem.as_json(), form)
            return
    notice(f"{problem.message} [{problem.code}]")
    for said in str(problem.details.get("log", "")).splitlines():
        streams.tell(f"  | {said}")
    if problem.hint:
        streams.tell(f"  hint: {problem.hint}")
