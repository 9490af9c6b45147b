# SPDX-License-Identifier: Apache-2.0
"""Tables of a cloud-config, read key by key: whatever nobody asked for is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bootstrap_image.findings import child
from bootstrap_image.scalars import Plain, plain
from bootstrap_image.spelling import unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bootstrap_image.findings import Report

# YAML 1.1 reads most of these as booleans already; in quotes they are still meant so.
_WORDS: Final = {
    **dict.fromkeys(("true", "yes", "on", "y", "1"), True),
    **dict.fromkeys(("false", "no", "off", "n", "0"), False),
}


class Table:
    """A mapping at `path`; a value of another type is a finding, and an empty mapping then."""

    def __init__(self, value: Any, path: str, report: Report) -> None:
        self.path = path
        self.report = report
        self._used = set[Any]()
        self._values: dict[Any, Any] = {}
        if isinstance(value, dict):
            self._values = value
        elif value is not None:
            report.error(path.rstrip(": "), f"expected a table, found {kind(value)}")

    def __contains__(self, key: str) -> bool:
        return plain(self._values.get(key)) is not None

    def at(self, key: object) -> str:
        return child(self.path, str(key))

    def error(self, key: object, message: str) -> None:
        self.report.error(self.at(key), message)

    def value(self, key: str) -> Any:
        """Any value at all, or None; a number or a boolean as YAML reads it."""
        return plain(self.written(key))

    def written(self, key: str) -> Any:
        """The same, but `Plain` where YAML makes more of it than a text."""
        self._used.add(key)
        return self._values.get(key)

    def items(self) -> Iterable[tuple[Any, Any]]:
        self._used.update(self._values)
        return self._values.items()

    def text(self, key: str, default: str = "") -> str:
        value = self.written(key)
        if value is None:
            return default
        text = as_text(value)
        if text is None:
            self.error(key, f"expected a text, found {kind(value)}; put it in quotes")
            return default
        return text

    def flag(self, key: str, *, default: bool = False) -> bool:
        value = self.value(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        found = _WORDS.get((as_text(self.written(key)) or "").lower())
        if found is None:
            self.error(key, f"expected true or false, found {kind(value)}")
            return default
        return found

    def texts(self, key: str) -> list[str]:
        """A list of texts; a single text counts as a list of one, as in cloud-init."""
        value = self.written(key)
        if value is None:
            return []
        items = value if isinstance(value, list) else [value]
        texts = [(number, as_text(item), item) for number, item in enumerate(items)]
        for number, text, item in texts:
            if text is None:
                self.report.error(
                    child(self.at(key), number),
                    f"expected a text, found {kind(item)}; put it in quotes",
                )
        return [text for _, text, _ in texts if text is not None]

    def rows(self, key: str) -> list[Any]:
        value = self.value(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.error(key, f"expected a list, found {kind(value)}")
            return []
        return value

    def tables(self, key: str) -> list[Table]:
        at = self.at(key)
        read = [
            (item, Table(item, child(at, number), self.report))
            for number, item in enumerate(self.rows(key))
        ]
        return [table for item, table in read if isinstance(item, dict)]

    def table(self, key: str) -> Table:
        return Table(self.value(key), self.at(key), self.report)

    def close(self) -> None:
        """Report what is left."""
        for key in self.unused():
            self.error(key, unknown(key, self.used))

    @property
    def used(self) -> list[str]:
        """The keys that were asked for, whether they are there or not."""
        return sorted(key for key in self._used if isinstance(key, str))

    def unused(self) -> list[Any]:
        return [key for key in self._values if key not in self._used]


def as_text(value: Any) -> str | None:
    """Texts, and what YAML reads as a number, a boolean or a date, as it was written."""
    if isinstance(value, str):
        return value
    if isinstance(value, Plain):
        return value.text
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def kind(value: Any) -> str:
    """What YAML made of it, in words."""
    names = {
        dict: "a table", list: "a list", str: "a text", bool: "true or false", int: "a number",
        float: "a number", bytes: "binary data", type(None): "nothing",
    }  # fmt: skip
    found = plain(value)
    return names.get(type(found), "a date" if hasattr(found, "isoformat") else "something else")
