# SPDX-License-Identifier: Apache-2.0
"""Unpack user data to scripts and cloud-configs: messages, gzip, base64, includes, all nested."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from bootstrap_image import include
from bootstrap_image.budget import DEPTH_LIMIT, Budget, BudgetError
from bootstrap_image.decode import (
    GZIP_MAGIC,
    DecodeError,
    gunzip,
    looks_like_base64,
    unbase64,
)
from bootstrap_image.findings import printable
from bootstrap_image.forms import TYPES, UNSUPPORTED, VAGUE, Form, form_of
from bootstrap_image.script import BOM
from bootstrap_image.spec import USER_DATA_LIMIT

if TYPE_CHECKING:
    from bootstrap_image.findings import Report
    from bootstrap_image.include import Fetch, Include
    from bootstrap_image.mime import Leaf

ROOT: Final = "user-data"
_NESTED: Final = frozenset({Form.MESSAGE, Form.ARCHIVE, Form.INCLUDE})


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """A script, a boothook or a cloud-config, as its author wrote it."""

    form: Form
    content: bytes = dataclasses.field(repr=False)
    path: str
    name: str
    merge: str = ""


def unpack(data: bytes, report: Report, fetch: Fetch) -> list[Part]:
    """All parts, in the order of the user data; what is wrong is in `report`."""
    if len(data) > USER_DATA_LIMIT:
        report.error(ROOT, f"user data may have {USER_DATA_LIMIT >> 20} MiB; this has more")
        return []
    unpacker = _Unpacker(report, fetch)
    try:
        unpacker.open(data, ROOT)
    except BudgetError as error:
        # Nothing of it: which half of a bomb was meant?
        report.error(ROOT, str(error))
        return []
    return unpacker.parts


class _Unpacker:
    def __init__(self, report: Report, fetch: Fetch) -> None:
        self.parts: list[Part] = []
        self._report = report
        self._fetch = fetch
        self._budget = Budget()

    def open(
        self, data: bytes, path: str, *, form: Form | None = None, name: str = "",
        merge: str = "", depth: int = 0,
    ) -> None:  # fmt: skip
        """Take one layer after another off, down to parts."""
        if depth > DEPTH_LIMIT:
            raise BudgetError(f"it is nested more than {DEPTH_LIMIT} deep")
        try:
            data = self._peel(data)
        except DecodeError as error:
            self._report.error(path, str(error))
            return
        if not data.strip():
            if depth:
                self._report.warning(path, "it is empty")
            return
        form = self._form(data, form)
        if form is None:
            self._report.error(path, _unknown(data))
        elif form in UNSUPPORTED:
            self._report.error(path, UNSUPPORTED[form])
        elif form in _NESTED:
            self._descend(form, data, path, depth)
        else:
            self.parts.append(Part(form, data, path, name, merge))

    def _peel(self, data: bytes) -> bytes:
        for _ in range(DEPTH_LIMIT):
            if data.startswith(GZIP_MAGIC):
                data = gunzip(data, limit=self._budget.bytes)
            elif inner := _hidden_in_base64(data):
                data = inner
            else:
                return data
            self._budget.spend(len(data))
        raise BudgetError(f"it is packed more than {DEPTH_LIMIT} times")

    def _form(self, data: bytes, declared: Form | None) -> Form | None:
        found = form_of(data.removeprefix(BOM))
        if declared is None:
            return found
        # A template stays one, whatever its type says: run as it is, it would do nonsense.
        return found if found in (Form.JINJA, Form.MESSAGE) else declared

    def _descend(self, form: Form, data: bytes, path: str, depth: int) -> None:
        if form is Form.INCLUDE:
            text = data.removeprefix(BOM).decode(errors="replace")
            for number, address in enumerate(include.parse(text, path, self._report), 1):
                self._include(address, f"{path}: include {number} ({address.shown})", depth)
            return
        # Python's email package takes longer to load than most user data to run.
        from bootstrap_image import archive, mime

        opener = mime.leaves if form is Form.MESSAGE else archive.leaves
        for leaf in opener(data.removeprefix(BOM), path, self._budget, self._report):
            self._leaf(leaf, depth)

    def _leaf(self, leaf: Leaf, depth: int) -> None:
        form = TYPES.get(leaf.type)
        if form is None and leaf.type not in VAGUE and not leaf.type.startswith("multipart/"):
            kind = printable(leaf.type)
            self._report.error(leaf.path, f"parts of the type {kind} are not supported")
            return
        self.open(
            leaf.content, leaf.path, form=form, name=leaf.name, merge=leaf.merge, depth=depth + 1
        )

    def _include(self, address: Include, path: str, depth: int) -> None:
        self._budget.include()
        try:
            data = self._fetch(address)
        except include.NotFetchedError:
            self._report.warning(path, "nothing is fetched now, so this was not looked at")
            return
        except OSError as error:
            self._report.error(path, f"it could not be fetched: {printable(str(error), 300)}")
            return
        if problem := address.check(data):
            self._report.error(path, problem)
            return
        self._budget.spend(len(data))
        self.open(data, path, name=address.url.split("?")[0].rpartition("/")[2], depth=depth + 1)


def _hidden_in_base64(data: bytes) -> bytes | None:
    """What `data` is the base64 of, if that has a form that we know."""
    if not looks_like_base64(data):
        return None
    try:
        inner = unbase64(data)
    except DecodeError:
        return None
    # Twice encoded is common: a console that encodes what was encoded already.
    return inner if form_of(inner.removeprefix(BOM)) or looks_like_base64(inner) else None


def _unknown(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "it is UTF-16; save it as UTF-8"
    start = printable(data[:40].decode(errors="replace").partition("\n")[0], 40)
    return (
        f"it begins with {start!r}, which is no form of user data: #!, #cloud-config, "
        "#cloud-config-archive, #cloud-boothook, #include, a MIME message, "
        "or one of these in gzip or base64"
    )
