# SPDX-License-Identifier: Apache-2.0
"""What a check found: all of it at once, each with its place."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

from launcher.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at `path` (`file: table.key`, or `file:line`): an error, or a warning."""

    path: str
    message: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def raise_errors(
    findings: Iterable[Finding], code: str = "settings.invalid", hint: str = ""
) -> None:
    """Raise one `SettingsError` with all `findings`, if any of them is an error."""
    found = list(findings)
    if all(finding.severity == "warning" for finding in found):
        return
    message = "; ".join(map(str, found))
    details = [{"path": finding.path, "message": finding.message} for finding in found]
    raise SettingsError(code, message, hint, findings=details)
