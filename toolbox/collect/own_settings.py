# SPDX-License-Identifier: Apache-2.0
"""`settings`: Hatchway's settings as they are merged, without what is secret in them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from toolbox.collect.patterns import MARK

if TYPE_CHECKING:
    from toolbox.collect.item import Outcome
    from toolbox.collect.sieve import Sieve

DIRECTORY: Final = Path("/etc/hatchway")
SECRET: Final = frozenset({"user-data", "password", "identity-token", "username"})


def read(sieve: Sieve, directory: Path = DIRECTORY) -> Outcome:
    """Each file's tables, as JSON; a file that cannot be read is told and hides no other."""
    found: dict[str, Any] = {}
    for path in (directory / "config.toml", *sorted(directory.glob("config.d/*.toml"))):
        try:
            found[str(path)] = _bare(tomllib.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            found[str(path)] = {"unreadable": type(error).__name__}
    if not found:
        return sieve.outcome("absent", f"there is nothing in {directory}")
    sieve.add(json.dumps(found, indent=2, default=str).encode() + b"\n")
    return sieve.outcome("ok")


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: MARK.decode() if key in SECRET and item else _bare(item)
            for key, item in value.items()
        }
    return [_bare(item) for item in value] if isinstance(value, list) else value
