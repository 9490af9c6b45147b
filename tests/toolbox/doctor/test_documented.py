# SPDX-License-Identifier: Apache-2.0
"""Every code of a finding, every key and every status is in docs/output.md, and no other."""

from __future__ import annotations

import ast
import dataclasses
import re
from typing import get_args

from tests.conftest import ROOT
from toolbox.collect.item import Status
from toolbox.collect.manifest import Entry, Manifest
from toolbox.doctor.checkup import Checkup
from toolbox.doctor.diagnosis import Diagnosis
from toolbox.doctor.pressure import _LIMITS

OUTPUT = (ROOT / "docs" / "output.md").read_text()
MANIFEST = Manifest(
    version="", host="", began=0, seconds=0, ending="complete", since="", anonymised=False,
    checkup={}, recipe_findings=[], items=[],
)  # fmt: skip


def section(title: str) -> str:
    return OUTPUT.partition(f"## {title}")[2].partition("\n## ")[0]


def first_cells(text: str) -> set[str]:
    return set(re.findall(r"^\| `([a-z_0-9]+)` \|", text, re.MULTILINE))


def test_every_code_is_documented_and_every_documented_code_exists() -> None:
    raised = {f"pressure.{resource}" for resource in _LIMITS}
    for path in (ROOT / "toolbox" / "doctor").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Diagnosis", "Sign"):
                raised |= {str(a.value) for a in node.args[:1] if isinstance(a, ast.Constant)}
    listed = OUTPUT.partition("A code is `SUBJECT.PROBLEM`")[2].partition("\n")[0]
    assert set(re.findall(r"`([a-z]+\.[a-z-]+)`", listed)) == raised
    assert len(raised) > 35


def test_the_keys_of_a_manifest_and_of_a_checkup_are_documented() -> None:
    table = OUTPUT.partition("| key of `manifest.json`")[2].partition("\n\n")[0]
    assert first_cells(table) == MANIFEST.as_json().keys()
    doctor = section("`hatchway doctor`")
    assert first_cells(doctor) == Checkup({}, (), {}, 0.0).as_json().keys()
    text = section("`hatchway toolbox collect`")
    for kind, place in ((Entry, text), (Diagnosis, doctor)):
        for field in dataclasses.fields(kind):
            assert f"`{field.name}`" in place, field.name
    assert [status for status in get_args(Status) if f"`{status}`" not in text] == []
