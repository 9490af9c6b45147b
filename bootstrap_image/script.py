# SPDX-License-Identifier: Apache-2.0
"""Scripts as bytes: what has to be mended or said before one can run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bootstrap_image.findings import printable

if TYPE_CHECKING:
    from bootstrap_image.findings import Report

BOM: Final = b"\xef\xbb\xbf"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
# The kernel reads no more of the first line (BINPRM_BUF_SIZE in linux/binfmts.h).
_SHEBANG_LIMIT: Final = 255
_BOOTHOOK = re.compile(rb"\s*#cloud-boothook[^\n]*\n?", re.IGNORECASE)


def prepare(data: bytes, path: str, report: Report) -> bytes | None:
    """The script as it will run, or None when it cannot."""
    if data.startswith(_UTF16):
        report.error(path, "the script is UTF-16; save it as UTF-8")
        return None
    if data.startswith(BOM):
        report.warning(path, "a byte order mark before the script was removed")
        data = data.removeprefix(BOM)
    if data[:1].isspace():
        report.warning(path, "blank lines before #! were removed: it must come first")
        data = data.lstrip()
    data = _line_ends(data, path, report)
    _encoding(data, path, report)
    return data if _shebang(data, path, report) else None


def boothook(data: bytes) -> bytes:
    """Without the line that says what it is; one that names no interpreter is for /bin/sh."""
    found = _BOOTHOOK.sub(b"", data.removeprefix(BOM), count=1).lstrip()
    return found if found.startswith((b"#!", *_UTF16)) else b"#!/bin/sh\n" + found


def shell(lines: list[str | list[str]]) -> bytes:
    """One script of `runcmd` or `bootcmd`: a text is shell, a list is one command word by word.

    By bash: on many systems that these lists were written for, sh is bash.
    """
    return "".join(
        [
            "#!/bin/bash\n",
            *(f"{line if isinstance(line, str) else _quoted(line)}\n" for line in lines),
        ]
    ).encode(errors="surrogateescape")


def _quoted(words: list[str]) -> str:
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)


def _line_ends(data: bytes, path: str, report: Report) -> bytes:
    # `#!/bin/sh\r` is a program that no system has. cloud-init converts when the first line ends
    # so, and people's editors on Windows rely on it; a later \r alone may be meant.
    first, found, _ = data.partition(b"\n")
    if not found or not first.endswith(b"\r"):
        return data
    report.warning(
        path, "its lines end as on Windows (CR LF); they were converted, as cloud-init does"
    )
    return data.replace(b"\r\n", b"\n")


def _encoding(data: bytes, path: str, report: Report) -> None:
    if b"\0" in data:
        report.warning(path, "it holds NUL bytes; shells skip or refuse them")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        report.warning(path, f"byte {error.start} is no UTF-8; it runs unchanged")


def _shebang(data: bytes, path: str, report: Report) -> bool:
    line = data.partition(b"\n")[0]
    if not line.startswith(b"#!"):
        report.error(path, "a script begins with #! and the path of its interpreter; this does not")
        return False
    interpreter = line[2:].strip()
    if len(line) > _SHEBANG_LIMIT or b"\0" in line or not interpreter.startswith(b"/"):
        shown = printable(interpreter.decode(errors="replace"))
        report.error(path, f"#! is followed by {shown!r}, which is no absolute path of a program")
        return False
    return True
