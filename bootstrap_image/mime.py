# SPDX-License-Identifier: Apache-2.0
"""MIME messages: their parts with type, name and headers, decoded."""

from __future__ import annotations

import dataclasses
import email.errors
import email.message
import email.parser
import email.policy
import re
from typing import TYPE_CHECKING

from bootstrap_image.decode import DamagedError, DecodeError
from bootstrap_image.findings import printable
from bootstrap_image.forms import is_foreign

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bootstrap_image.budget import Budget
    from bootstrap_image.findings import Report

# What other readers take as well, and no line is lost by: said, and no more.
_HARMLESS = {
    "MissingHeaderBodySeparatorDefect": "an empty line is missing between headers and body; "
    "the body begins with the first line that is no header",
}
_DEFECTS = {
    "NoBoundaryInMultipartDefect": "the Content-Type names no boundary",
    "StartBoundaryNotFoundDefect": "the boundary that the Content-Type names does not occur",
    "CloseBoundaryNotFoundDefect": "its last boundary (which ends with --) is missing: cut off?",
    "MultipartInvariantViolationDefect": "it says that it is multipart, but has no parts",
    "FirstHeaderLineIsContinuationDefect": "its first header line begins with a blank",
    "InvalidMultipartContentTransferEncodingDefect": "a multipart must not be encoded as a whole",
}
# What belongs in the headers of a part, and of a message that an editor or a mail program wrote.
_HEADER = re.compile(
    r"(?i:(content|x|mime|merge|launch|list|resent)-[\w-]+|from|to|cc|bcc|date|subject|sender"
    r"|received|comments|keywords|precedence)|[A-Z]\w*(-[A-Z]\w*)+"
)
_CUT = "CloseBoundaryNotFoundDefect"
_VAGUE = frozenset({"MultipartInvariantViolationDefect"})


@dataclasses.dataclass(frozen=True, slots=True)
class Leaf:
    """A part that is no multipart itself."""

    content: bytes
    type: str
    name: str
    path: str
    merge: str


def leaves(data: bytes, path: str, budget: Budget, report: Report) -> list[Leaf]:
    """The parts of the message, in its order.

    Raises:
        DamagedError: part of it is; nobody knows what the rest was meant to be.

    """
    message = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(data.lstrip())
    reader = _Reader(budget, report)
    found = list(reader.walk(message, path))
    if reader.damaged:
        raise DamagedError
    return found


class _Reader:
    def __init__(self, budget: Budget, report: Report) -> None:
        self.damaged = False
        self._budget = budget
        self._report = report

    def walk(self, message: email.message.Message, path: str) -> Iterator[Leaf]:
        self._budget.part()
        self._defects(message, path)
        if not message.is_multipart():
            if message.get_content_maintype() != "multipart":
                yield from self._leaf(message, path)
            elif not message.defects:
                self._damage(path, "it says that it is multipart, but has no parts")
            return
        for number, part in enumerate(message.get_payload(), 1):
            if isinstance(part, email.message.Message):
                name, place = _name(part), f"{path}: part {number}"
                yield from self.walk(part, f"{place} ({printable(name)})" if name else place)

    def _defects(self, message: email.message.Message, path: str) -> None:
        kinds = {type(defect).__name__ for defect in message.defects}
        if _CUT in kinds and _ends_with_a_boundary(message):
            kinds.remove(_CUT)
            self._report.warning(path, "its last boundary does not end with --")
        for kind in sorted(kinds & _HARMLESS.keys()):
            self._report.warning(path, _HARMLESS[kind])
        kinds -= _HARMLESS.keys()
        # The vague one only repeats what the others say.
        for kind in sorted(kinds - _VAGUE or kinds):
            self._damage(path, f"the MIME message is damaged: {_DEFECTS.get(kind, kind)}")

    def _damage(self, path: str, what: str) -> None:
        self.damaged = True
        self._report.error(path, what)

    def _leaf(self, part: email.message.Message, path: str) -> Iterator[Leaf]:
        kind = _type(part)
        if is_foreign(kind):  # how it is written is its reader's business
            yield Leaf(b"", kind, _name(part), path, "")
            return
        if lost := _swallowed(part):
            self._damage(
                path, f"{printable(lost)!r} stands among its headers: an empty line is missing"
            )
            return
        if _header(part, "Launch-Index"):
            self._report.error(path, "Launch-Index is not supported: every node would run this")
            return
        try:
            content = _content(part)
        except DecodeError as error:
            self._damage(path, str(error))
            return
        self._budget.spend(len(content))
        merge = _header(part, "Merge-Type") or _header(part, "X-Merge-Type")
        yield Leaf(content, kind, _name(part), path, merge)


def _ends_with_a_boundary(message: email.message.Message) -> bool:
    """Whether nothing follows the last boundary, so that nothing can be missing."""
    parts = message.get_payload()
    if not isinstance(parts, list) or len(parts) < 2:
        return False
    last = parts[-1]
    if not isinstance(last, email.message.Message):
        return False
    if last.items() or str(last.get_payload()).strip():
        return False
    message.set_payload(parts[:-1])
    return True


def _swallowed(part: email.message.Message) -> str:
    """A line of the body that looks like a header, such as `runcmd:`, and was taken for one."""
    return next((f"{name}:" for name in part if not _HEADER.fullmatch(name)), "")


def _content(part: email.message.Message) -> bytes:
    """The bytes as they were sent: a declared charset is often wrong, and scripts are bytes."""
    encoding = _header(part, "Content-Transfer-Encoding").lower()
    if encoding not in ("", "7bit", "8bit", "binary", "base64", "quoted-printable"):
        raise DecodeError(f"Content-Transfer-Encoding {printable(encoding)!r} is not known")
    known = len(part.defects)
    content = part.get_payload(decode=True)
    if len(part.defects) > known:
        raise DecodeError(f"this is no {encoding}, though its header says so")
    return content if isinstance(content, bytes) else b""


def _type(part: email.message.Message) -> str:
    """Python takes a type without a slash for text; it is some other reader's."""
    said = _header(part, "Content-Type").partition(";")[0].strip().lower()
    return said if said and "/" not in said else part.get_content_type()


def _name(part: email.message.Message) -> str:
    try:
        return str(part.get_filename() or "")
    except (ValueError, LookupError, TypeError, AttributeError):  # RFC 2231 gone wrong
        return ""


def _header(part: email.message.Message, name: str) -> str:
    return str(part.get(name, "")).strip()
