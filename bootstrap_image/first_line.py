# SPDX-License-Identifier: Apache-2.0
"""What to say of user data whose first line is none that is known: what may have been meant."""

from __future__ import annotations

import difflib
import itertools
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
# So many of them begin no other file that people hand over as user data.
_KEYS: Final = re.compile(
    rb"""[{\s"']*(runcmd|bootcmd|write_files|packages|users|hostname|fqdn|mounts|"""
    rb"""package_update|package_upgrade|ssh_authorized_keys|disk_setup|fs_setup)["']?\s*:"""
)
_PACKED: Final = {b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"PK\x03": "zip"}
_INVISIBLE: Final = " \t\r\n\ufeff\u200b\u200c\u200d\u2060\u00a0"
_CLOSE: Final = 0.84  # `cloudconfig` and `cloud-cfg` are, `configuration` is not


def unknown(data: bytes) -> str:
    """A sentence about `data`, which has no form of user data."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "it is UTF-16; save it as UTF-8"
    if packed := next((name for magic, name in _PACKED.items() if data.startswith(magic)), ""):
        return f"it is packed with {packed}; of these only gzip is unpacked here"
    line = data.lstrip()[:200].decode(errors="replace").partition("\n")[0].rstrip()
    start = printable(line, 40)
    if meant := _meant(line.lstrip(_INVISIBLE)):
        return f"it begins with {start!r}; did you mean {printable(meant, 40)!r}?"
    if late := _late(data):
        return late
    return (
        f"it begins with {start!r}, which is no form of user data: #!, #cloud-config, "
        "#cloud-config-archive, #cloud-boothook, #include, a MIME message, "
        "or one of these in gzip or base64"
    )


def _late(data: bytes) -> str:
    """What comes too late, after comments, or not at all."""
    lines = data[:4096].splitlines()
    comments = itertools.takewhile(lambda line: line[:1] in (b"", b"#", b"-"), lines[:40])
    for number, line in enumerate(comments, 1):
        if re.match(rb"#!\s*/|#cloud-(config|boothook)|#include", line):
            shown = printable(line.decode(errors="replace"), 40)
            return f"{shown!r} is on line {number}; it has to be the first line"
    if _KEYS.match(data.lstrip().removeprefix(b"---")):
        return "it looks like a cloud-config; its first line has to be '#cloud-config'"
    return ""


def near(word: str, known: Iterable[str]) -> str:
    """The known word that is meant by one with a slip in it, or nothing."""
    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=_CLOSE)), "")


def _meant(line: str) -> str:
    if interpreter := _INTERPRETER.fullmatch(line):
        return f"#!{interpreter[1]}"
    plain = re.sub(r"[\s_]+", "-", line.strip("# :\t").lower())
    names = {name.strip("# "): name for name in _KNOWN}
    return names.get(near(plain, names), "")
