# SPDX-License-Identifier: Apache-2.0
"""The list of keys in the documents is the list of keys that are read."""

from __future__ import annotations

import re
from pathlib import Path

import bootstrap_image
from bootstrap_image.cloudconfig import read
from bootstrap_image.findings import Report
from bootstrap_image.forms import Form
from bootstrap_image.modules import unsupported
from bootstrap_image.parts import Part
from tests.bootstrap_image.test_public_forms import FORMS

ROOT = Path(bootstrap_image.__file__).parents[1]
TEXT = (ROOT / "docs/user-data.md").read_text()
SECTION = TEXT.partition("## Keys of a cloud-config")[2].partition("\n## ")[0]
LISTED = {
    key
    for row in re.findall(r"^\| (`.*?) \|", SECTION, re.MULTILINE)
    for key in re.findall(r"`([\w-]+)`", row)
}


def unknown(key: str) -> bool:
    report = Report()
    read([Part(Form.CLOUD_CONFIG, f"{key}: null".encode(), "x", "")], report)
    return any("not known here" in finding.message for finding in report.findings)


def test_every_key_that_is_listed_is_read() -> None:
    assert LISTED
    assert [key for key in LISTED if unknown(key)] == []


def test_no_key_is_listed_as_done_that_is_reported_as_not() -> None:
    # It has a table of its own when it is not one.
    refused = (unsupported.ERRORS.keys() | unsupported.WARNINGS.keys()) - {"device_aliases"}
    assert set() == LISTED & refused


def test_every_key_of_the_public_forms_that_becomes_a_step_is_listed() -> None:
    steps = {step for _, steps, _ in FORMS.values() for step in steps} - {
        "write_files_deferred",
        "users_homes",
    }
    assert steps <= LISTED
