# SPDX-License-Identifier: Apache-2.0
"""Several cloud-configs become one, as cloud-init's documentation describes.

Without a merge type, a key of a later part replaces that of an earlier one, whole. The type is a
text such as `list(append)+dict(recurse_array)+str()`, in a header or under `merge_how`, or a list
of tables `{name: list, settings: [append]}`; it says how that part goes into those before it.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

_KNOWN = {
    "list": {"append", "prepend", "replace", "no_replace"},
    "dict": {"replace", "no_replace", "recurse_array", "recurse_list", "recurse_dict"},
    "str": {"append"},
}
_TEXT = re.compile(r"(\w+)\(([\w,\s]*)\)")


class MergeError(ValueError):
    """A merge type that we do not know; a sentence says which part of it."""


@dataclasses.dataclass(frozen=True, slots=True)
class How:
    """What happens when both have a key."""

    replace: bool = True
    lists: str = "replace"  # or append, prepend, no_replace
    into_lists: bool = False


def parse(value: Any) -> How:
    """Read a merge type; nothing means the default."""
    if not value:
        return How()
    kinds = dict(_pairs(value))
    if unknown := kinds.keys() - _KNOWN.keys():
        raise MergeError(
            f"the merge type knows list, dict and str, not {', '.join(sorted(unknown))}"
        )
    for kind, settings in kinds.items():
        if odd := settings - _KNOWN[kind]:
            raise MergeError(f"{kind}({', '.join(sorted(odd))}) is not supported in a merge type")
    tables, lists = kinds.get("dict", set()), kinds.get("list", set())
    order = ("append", "prepend", "no_replace", "replace")
    return How(
        replace="replace" in tables,
        lists=next((word for word in order if word in lists), "replace"),
        into_lists=bool(tables & {"recurse_array", "recurse_list"}),
    )


def merge(old: dict[Any, Any], new: dict[Any, Any], how: How) -> dict[Any, Any]:
    """`new` into `old`, which stays as it is."""
    merged = dict(old)
    for key, value in new.items():
        merged[key] = _same_key(old[key], value, how) if key in old else value
    return merged


def _same_key(old: Any, new: Any, how: How) -> Any:
    if how.replace:
        return new
    if isinstance(old, dict) and isinstance(new, dict):
        return merge(old, new, how)
    if isinstance(old, list) and isinstance(new, list) and how.into_lists:
        return _lists(old, new, how)
    return old


def _lists(old: list[Any], new: list[Any], how: How) -> list[Any]:
    if how.lists == "append":
        return [*old, *new]
    if how.lists == "prepend":
        return [*new, *old]
    if how.lists == "no_replace":
        return old
    return [*new, *old[len(new) :]]


def _pairs(value: Any) -> list[tuple[str, set[str]]]:
    if isinstance(value, str):
        pieces = [_TEXT.fullmatch(piece.strip()) for piece in value.split("+")]
        if not all(pieces):
            raise MergeError("a merge type reads like list(append)+dict(recurse_array)+str()")
        return [(piece[1], set(_words(piece[2].split(",")))) for piece in pieces if piece]
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return [_table(item) for item in value]
    raise MergeError("a merge type is a text or a list of tables")


def _table(item: dict[Any, Any]) -> tuple[str, set[str]]:
    name, settings = item.get("name"), item.get("settings", [])
    if not isinstance(name, str) or not isinstance(settings, list):
        raise MergeError("a merge type has a name and a list of settings")
    return name, set(_words([str(word) for word in settings]))


def _words(words: list[str]) -> list[str]:
    return [word.strip() for word in words if word.strip()]
