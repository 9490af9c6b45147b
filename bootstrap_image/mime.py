# SPDX-License-Identifier: Apache-2.0
"""MIME messages: their parts with type, name and headers, decoded."""

from __future__ import annotations

import dataclasses
import email.errors
import email.message
import email.parser
import email.policy
from typing import TYPE_CHECKING

from bootstrap_image.decode import DecodeError
from bootstrap_image.findings import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bootstrap_image.budget import Budget
    from bootstrap_image.findings import Report

_DEFECTS = {
    "NoBoundaryInMultipartDefect": "the Content-Type names no boundary",
    "StartBoundaryNotFoundDefect": "the boundary that the Content-Type names does not occur",
    "CloseBoundaryNotFoundDefect": "its last boundary (which ends with --) is missing: cut off?",
    "MultipartInvariantViolationDefect": "it says that it is multipart, but has no parts",
    "MissingHeaderBodySeparatorDefect": "an empty line is missing between headers and body",
    "FirstHeaderLineIsContinuationDefect": "its first header line begins with a blank",
    "InvalidMultipartContentTransferEncodingDefect": "a multipart must not be encoded as a whole",
}
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
    """The parts of the message, in its order."""
    message = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(data.lstrip())
    return list(_walk(message, path, budget, report))


def _walk(
    message: email.message.Message, path: str, budget: Budget, report: Report
) -> Iterator[Leaf]:
    budget.part()
    if _defects(message, path, report):
        return
    if not message.is_multipart():
        if message.get_content_maintype() != "multipart":
            yield from _leaf(message, path, budget, report)
        else:
            report.error(path, "it says that it is multipart, but has no parts")
        return
    for number, part in enumerate(message.get_payload(), 1):
        place = f"{path}: part {number}"
        if isinstance(part, email.message.Message):
            name = _name(part)
            yield from _walk(
                part, f"{place} ({printable(name)})" if name else place, budget, report
            )


def _defects(message: email.message.Message, path: str, report: Report) -> bool:
    """Whether it is damaged: then none of it runs, as nobody knows what the rest was."""
    kinds = [type(defect).__name__ for defect in message.defects]
    # The last one only repeats what the others say.
    for kind in [kind for kind in kinds if kind not in _VAGUE] or kinds:
        report.error(path, f"the MIME message is damaged: {_DEFECTS.get(kind, kind)}")
    return bool(kinds)


def _leaf(part: email.message.Message, path: str, budget: Budget, report: Report) -> Iterator[Leaf]:
    if _header(part, "Launch-Index"):
        report.error(path, "Launch-Index is not supported: every node would run this part")
        return
    try:
        content = _content(part)
    except DecodeError as error:
        report.error(path, str(error))
        return
    budget.spend(len(content))
    merge = _header(part, "Merge-Type") or _header(part, "X-Merge-Type")
    yield Leaf(content, part.get_content_type(), _name(part), path, merge)


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


def _name(part: email.message.Message) -> str:
    try:
        return str(part.get_filename() or "")
    except (ValueError, LookupError, TypeError, AttributeError):  # RFC 2231 gone wrong
        return ""


def _header(part: email.message.Message, name: str) -> str:
    return str(part.get(name, "")).strip()
