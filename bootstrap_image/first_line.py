# SPDX-License-Identifier: Apache-2.0
"""What to say of user data whose first line is none that is known: what may have been meant."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

from bootstrap_image.findings import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

_KNOWN: Final = (
    "#cloud-config", "#cloud-config-archive", "#cloud-boothook", "#include",
    "#part-handler", "## template: jinja",
)  # fmt: skip
_INTERPRETER: Final = re.compile(r"[#!\s]*(/(usr/)?(local/)?s?bin/[\w./-]+(\s.*)?)")
_CLOSE: Final = 0.84  # `cloudconfig` and `cloud-cfg` are, `configuration` is not


def unknown(data: bytes) -> str:
    """A sentence about `data`, which has no form of user data."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "it is UTF-16; save it as UTF-8"
    line = data.lstrip()[:200].decode(errors="replace").partition("\n")[0].rstrip()
    start = printable(line, 40)
    if meant := _meant(line):
        return f"it begins with {start!r}; did you mean {printable(meant, 40)!r}?"
    return (
        f"it begins with {start!r}, which is no form of user data: #!, #cloud-config, "
        "#cloud-config-archive, #cloud-boothook, #include, a MIME message, "
        "or one of these in gzip or base64"
    )


def near(word: str, known: Iterable[str]) -> str:
    """The known word that is meant by one with a slip in it, or nothing."""
    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=_CLOSE)), "")


def _meant(line: str) -> str:
    if interpreter := _INTERPRETER.fullmatch(line):
        return f"#!{interpreter[1]}"
    plain = re.sub(r"[\s_]+", "-", line.strip("# :\t").lower())
    names = {name.strip("# "): name for name in _KNOWN}
    return names.get(near(plain, names), "")
