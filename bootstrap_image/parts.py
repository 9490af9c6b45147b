# SPDX-License-Identifier: Apache-2.0
"""Unpack user data to scripts and cloud-configs: messages, gzip, base64, includes, all nested."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from bootstrap_image import first_line, include, template
from bootstrap_image.budget import DEPTH_LIMIT, Budget, BudgetError
from bootstrap_image.decode import (
    GZIP_MAGIC,
    DamagedError,
    DecodeError,
    gunzip,
    looks_like_base64,
    unbase64,
)
from bootstrap_image.findings import printable
from bootstrap_image.forms import OTHERS, TYPES, UNSUPPORTED, Form, form_of, is_foreign
from bootstrap_image.script import BOM
from bootstrap_image.spec import USER_DATA_LIMIT

if TYPE_CHECKING:
    from bootstrap_image.findings import Report
    from bootstrap_image.include import Fetch, Include
    from bootstrap_image.mime import Leaf

ROOT: Final = "user-data"
_SCRIPTS: Final = frozenset(kind for kind in TYPES if kind.startswith("text/x-shellscript"))
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
    return [] if unpacker.damaged else unpacker.parts


class _Unpacker:
    def __init__(self, report: Report, fetch: Fetch) -> None:
        self.parts: list[Part] = []
        self.damaged = False  # then nothing runs: nobody knows what is missing
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
            self.damaged = True
            self._report.error(path, str(error))
            return
        if not data.strip():
            if depth:
                self._report.warning(path, "it is empty")
            return
        form, data = self._form(data, form)
        if form is None:
            self._report.error(path, first_line.unknown(data))
        elif form in OTHERS:
            self._report.warning(path, OTHERS[form])
        elif form is Form.JINJA:
            self._report.error(path, template.refusal(data))
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

    def _form(self, data: bytes, declared: Form | None) -> tuple[Form | None, bytes]:
        """The form, and the data without the header of a template that is none."""
        found = form_of(data.removeprefix(BOM))
        if found is Form.JINJA and (plain := template.plain(data)):
            data, found = plain, form_of(plain)
            declared = None if declared is Form.JINJA else declared
        if declared is None:
            return found, data
        # A template stays one, whatever its type says: run as it is, it would do nonsense.
        return (found if found in (Form.JINJA, Form.MESSAGE) else declared), data

    def _descend(self, form: Form, data: bytes, path: str, depth: int) -> None:
        if form is Form.INCLUDE:
            text = data.removeprefix(BOM).decode(errors="replace")
            for number, address in enumerate(include.parse(text, path, self._report), 1):
                self._include(address, f"{path}: include {number} ({address.shown})", depth)
            return
        # Python's email package takes longer to load than most user data to run.
        from bootstrap_image import archive, mime

        opener = mime.leaves if form is Form.MESSAGE else archive.leaves
        try:
            leaves = opener(data.removeprefix(BOM), path, self._budget, self._report)
        except DamagedError:
            self.damaged = True
            return
        for leaf in leaves:
            self._leaf(leaf, depth)

    def _leaf(self, leaf: Leaf, depth: int) -> None:
        if is_foreign(leaf.type):
            self._other_reader(leaf)
            return
        form = TYPES.get(leaf.type)
        self.open(
            leaf.content, leaf.path, form=form, name=leaf.name, merge=leaf.merge, depth=depth + 1
        )

    def _other_reader(self, leaf: Leaf) -> None:
        """What is meant for another program is no fault of the user data; a slip is."""
        kind = printable(leaf.type)
        ours = f"text/{leaf.type.partition('/')[2]}"  # in place of application/, say
        if meant := first_line.near(leaf.type, TYPES) or (ours if ours in _SCRIPTS else ""):
            self._report.error(leaf.path, f"there is no type {kind}; did you mean {meant}?")
        else:
            self._report.warning(
                leaf.path, f"parts of the type {kind} belong to another program; ignored here"
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
        # All but the last letters of it: a script of one word is no base64 of a script.
        if form_of(unbase64(b"".join(data.split())[: len(data) // 8 * 4]).removeprefix(BOM)):
            raise DecodeError("this is base64 that is cut off") from None
        return None
    # Twice encoded is common: a console that encodes what was encoded already.
    return inner if form_of(inner.removeprefix(BOM)) or looks_like_base64(inner) else None
