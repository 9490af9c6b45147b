# SPDX-License-Identifier: Apache-2.0
"""`## template: jinja` before user data: nothing is rendered here, and often there is no need."""

from __future__ import annotations

import re
from typing import Final

from bootstrap_image.script import BOM

# What Jinja would replace; `${#name}` of a shell looks to Jinja as it does here.
_EXPRESSION: Final = re.compile(rb"\{\{|\{%|\{#")


def plain(data: bytes) -> bytes:
    """The data without the header, when that is all that makes it a template; else nothing."""
    _, _, rest = data.removeprefix(BOM).lstrip().partition(b"\n")
    return b"" if _EXPRESSION.search(rest) else rest.lstrip()


def refusal(data: bytes) -> str:
    """Why it is not run."""
    found = _EXPRESSION.search(data)
    line = data.count(b"\n", 0, found.start()) + 1 if found else 1
    sign = found[0].decode() if found else ""
    return (
        f"line {line} has {sign}: templates are not rendered here; "
        "write the values, or ask for them in a script"
    )
