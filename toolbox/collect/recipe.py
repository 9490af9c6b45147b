# SPDX-License-Identifier: Apache-2.0
"""Recipes: lines that say what to collect, in the form of Bottlerocket's logdog.

    exec OUT PROGRAM ARGUMENT...   what a program prints
    file OUT PATH                  one file
    glob PATTERN                   many, each under its own path
    http OUT URL                   of a service on this host; also written https
    settings OUT                   Hatchway's settings
    look OUT NAME                  what Hatchway reads by itself (ours)

Words are quoted as in a shell, which never sees them, and `#` begins a comment where it begins a
word. `@timeout=60`, `@limit=16M`, `@needs=PATH`, `@binary` and `@borrow` may stand before (ours).
A wrong line is a finding, and the others count.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from launcher.findings import Finding
from toolbox.collect.item import Item, Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

BUILT_IN: Final = Path(__file__).parent / "recipes"
DROP_IN: Final = Path("/etc/hatchway/collect.d")
# Not `shlex.split(comments=True)`, for which a `#` within a word begins a comment, too.
_BEFORE_COMMENT: Final = re.compile(
    r"""(?:\s+|(?!\#)(?:[^\s"'\\]|\\.?|"(?:[^"\\]|\\.?)*"?|'[^']*'?)+)*"""
)
_UNITS: Final = {"": 1, "K": 2**10, "M": 2**20}
_OUT: Final = re.compile(
    r"[A-Za-z0-9_+@=,-][A-Za-z0-9._+@=,-]{0,150}(?:/[A-Za-z0-9_+@=,-][A-Za-z0-9._+@=,-]{0,150}){0,5}"
)
_OPTIONS: Final = "@timeout=SECONDS (to 600), @limit=SIZE (to 64M), @needs=PATH, @binary, @borrow"
_MOST_TIME: Final = 600.0
_MOST_SIZE: Final = 64 * 2**20
# How many words follow the kind.
_WORDS: Final[dict[str, tuple[int, int]]] = {
    "exec": (2, 1000),
    "file": (2, 2),
    "glob": (1, 1),
    "http": (2, 2),
    "settings": (1, 1),
    "look": (2, 2),
}
# logdog has two words for it; what counts is the URL.
_SAME: Final = {"https": "http"}


def parse(text: str, place: str, topic: str = "") -> tuple[list[Item], list[Finding]]:
    """The items of one file, below the directory `topic`, and what is wrong with its lines."""
    items: list[Item] = []
    findings: list[Finding] = []
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{place}:{number}"
        try:
            if words := _words(line):
                items.append(_item(words, where, topic))
        except ValueError as error:
            findings.append(Finding(where, str(error), "warning"))
    return items, findings


def read(paths: Iterable[Path]) -> tuple[list[Item], list[Finding]]:
    """The items of several files, in their order; each name is used once."""
    items: list[Item] = []
    findings: list[Finding] = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            findings.append(Finding(str(path), f"cannot be read: {error}", "warning"))
            continue
        found, wrong = parse(text, str(path), topic(path))
        items += found
        findings += wrong
    return list(_distinct(items)), findings


def files(drop_in: Path = DROP_IN) -> list[Path]:
    """All recipes of this host: ours, then those that were dropped in."""
    dropped = sorted(path for path in drop_in.glob("*") if path.is_file())
    return [*sorted(BUILT_IN.glob("*.conf")), *dropped]


def topic(path: Path) -> str:
    """`30-journal.conf` is about `journal`."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", re.sub(r"^[0-9]+-", "", path.stem))


def only(items: Iterable[Item], topics: Collection[str]) -> list[Item]:
    """The items of these topics; all where none is named."""
    return [item for item in items if not topics or item.name.partition("/")[0] in topics]


def _words(line: str) -> list[str]:
    before = _BEFORE_COMMENT.match(line)
    assert before is not None  # noqa: S101 - nothing is enough for it
    return shlex.split(before[0])


def _item(words: list[str], where: str, topic: str) -> Item:
    options: dict[str, Any] = {}
    while words and words[0].startswith("@"):
        options |= _option(words.pop(0)[1:])
    kind, *rest = words or [""]
    kind = _SAME.get(kind, kind)
    if kind not in _WORDS:
        known = ", ".join(get_args(Kind))
        message = f"{kind!r} is none of {known}"
        raise ValueError(message)
    least, most = _WORDS[kind]
    if not least <= len(rest) <= most:
        message = f"{kind} takes {least if least == most else 'at least 2'} words, not {len(rest)}"
        raise ValueError(message)
    if kind == "glob":
        return Item("glob", topic, (_absolute(rest[0]),), where, **options)
    if not _OUT.fullmatch(rest[0]) or ".." in rest[0]:
        message = f"{rest[0]!r} is no name for a file in the bundle"
        raise ValueError(message)
    if kind == "file":
        _absolute(rest[1])
    name = f"{topic}/{rest[0]}" if topic else rest[0]
    # Known by _WORDS, which mypy cannot see.
    known_kind: Any = kind
    return Item(known_kind, name, tuple(rest[1:]), where, **options)


def _option(text: str) -> dict[str, Any]:
    name, _, value = text.partition("=")
    if name in ("binary", "borrow") and not value:
        return {name: True}
    if name == "timeout" and re.fullmatch(r"[0-9]{1,4}", value) and 0 < int(value) <= _MOST_TIME:
        return {"timeout": float(value)}
    if name == "needs":
        return {"needs": _absolute(value)}
    match = re.fullmatch(r"([0-9]{1,9})([KM]?)", value)
    if name == "limit" and match and 0 < int(match[1]) * _UNITS[match[2]] <= _MOST_SIZE:
        return {"limit": int(match[1]) * _UNITS[match[2]]}
    message = f"@{text}: expected one of {_OPTIONS}"
    raise ValueError(message)


def _absolute(path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        message = f"expected an absolute path, not {path!r}"
        raise ValueError(message)
    return path


def _distinct(items: Iterable[Item]) -> Iterator[Item]:
    """Two recipes may use one name: the second gets a number."""
    used: set[str] = set()
    for item in items:
        name, number = item.name, 1
        while item.kind != "glob" and name in used:
            number += 1
            name = f"{item.name}-{number}"
        used.add(name)
        yield dataclasses.replace(item, name=name)
