# SPDX-License-Identifier: Apache-2.0
"""Scalars of YAML that keep their spelling: `0750` is also the text 0750, not only the number 488.

YAML 1.1 makes numbers, booleans and dates of words without quotes, and not always those that were
meant: 0750 is octal, 22:22 has base 60, `no` is false. Where a text is wanted, the text counts.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Final

_PREFIX: Final = "tag:yaml.org,2002:"
_KINDS: Final = ("int", "float", "bool", "timestamp")
# Tags of plain words whose values YAML 1.1 leaves to nobody: `=`, and `<<` where it is no key.
_WORDS: Final = ("value", "merge")
_KEYS: Final = frozenset(f"{_PREFIX}{kind}" for kind in (*_KINDS, "null"))

STR: Final = f"{_PREFIX}str"
MERGE: Final = f"{_PREFIX}merge"


@dataclasses.dataclass(frozen=True, slots=True)
class Plain:
    """A word without quotes that YAML takes for a number, a boolean or a date."""

    text: str
    value: Any


def plain(value: Any) -> Any:
    """What YAML made of it."""
    return value.value if isinstance(value, Plain) else value


def base() -> Any:
    """PyYAML's fastest safe loader."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@functools.cache
def loader() -> Any:
    """A safe loader whose scalars are `Plain` where YAML reads more than a text."""
    made: Any = type("Loader", (base(),), {})
    for kind in _KINDS:
        made.add_constructor(f"{_PREFIX}{kind}", functools.partial(_construct, kind))
    for word in _WORDS:
        made.add_constructor(f"{_PREFIX}{word}", made.construct_yaml_str)
    return made


def is_word(tag: str) -> bool:
    """Whether a key with this tag is to be read as the text that was written."""
    return tag in _KEYS


def _construct(kind: str, source: Any, node: Any) -> Any:
    text = source.construct_scalar(node)
    try:
        return Plain(text, getattr(base(), f"construct_yaml_{kind}")(source, node))
    except (ValueError, KeyError, AttributeError, OverflowError):
        return text  # the 99th of May, a number of 5000 digits: no value, but still a text
