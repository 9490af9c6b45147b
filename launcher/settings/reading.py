# SPDX-License-Identifier: Apache-2.0
"""Settings files and structs: read, laid over one another, and checked key by key."""

from __future__ import annotations

import math
import tomllib
from typing import TYPE_CHECKING, Any

import msgspec

from launcher.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def read(path: Path, findings: list[Finding]) -> dict[str, Any]:
    """One file as a table, without Bottlerocket's `[settings]` around it; empty when missing."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        findings.append(Finding(str(path), f"cannot be read: {error}"))
        return {}
    pasted = table.pop("settings", {})
    merge(table, pasted if isinstance(pasted, dict) else {})
    return table


def check_privacy(path: Path, table: dict[str, Any], findings: list[Finding]) -> None:
    """A file with a password in it is root's alone."""
    entries = table.get("registries", {})
    tables = [entry for entry in entries.values() if isinstance(entry, dict)]
    secret = any("password" in entry or "identity-token" in entry for entry in tables)
    if secret and path.stat().st_mode & 0o077:
        findings.append(Finding(str(path), "holds a password but others may read it: chmod 600"))


def merge(into: dict[str, Any], new: Mapping[str, Any]) -> None:
    """Lay `new` over `into`, table by table."""
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def nested(path: tuple[str, ...], value: str) -> dict[str, Any]:
    """The tables that lead to `value`."""
    found: Any = value
    for key in reversed(path):
        found = {key: found}
    return dict(found)


def check(kind: Any, value: Any, place: str, findings: list[Finding]) -> None:
    """Check `value` against the struct `kind`, key by key, so that one error hides no other."""
    if not isinstance(value, dict):
        findings.append(Finding(place.rstrip(".: "), "expected a table"))
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key, item in value.items():
        where = f"{place}{key}"
        if key not in fields:
            findings.append(Finding(where, f"unknown key; known are {', '.join(fields)}"))
            continue
        expected = fields[key].type
        inner = _table_of(expected)
        if _is_struct(expected):
            check(expected, item, f"{where}.", findings)
        elif inner is not None and isinstance(item, dict):
            for name, entry in item.items():
                check(inner, entry, f"{where}.{name}.", findings)
        else:
            try:
                msgspec.convert(item, expected)
            except msgspec.ValidationError as error:
                findings.append(Finding(where, _plain(str(error))))
            findings += not_finite(item, where)


def not_finite(value: Any, place: str) -> Iterator[Finding]:
    """TOML and Python have `nan` and `inf`, which pass every comparison with a limit."""
    if isinstance(value, float) and not math.isfinite(value):
        yield Finding(place, f"{value} is no number")
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from not_finite(item, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list):
        for item in value:
            yield from not_finite(item, place)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _table_of(kind: Any) -> Any:
    """The struct type of a `dict[str, Struct]`, or None."""
    inner = getattr(kind, "__args__", (None, None))
    return inner[1] if len(inner) == 2 and _is_struct(inner[1]) else None


def _plain(message: str) -> str:
    return message[:1].lower() + message[1:]
