# SPDX-License-Identifier: Apache-2.0
"""`bootstrap validate` with the real image: what it says, and that the container can do nothing."""

from __future__ import annotations

import dataclasses
import subprocess
from typing import TYPE_CHECKING

import pytest

from bootstrap_image.spec import USER_DATA_LIMIT
from tests.engine.door import PROGRAM, Finished

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.engine

GOOD = "#!/bin/sh\necho one\n"
BAD = "#cloud-config\nno_such_key: 1\nruncmd: 5\n"


@dataclasses.dataclass(frozen=True)
class Validate:
    """The command against one engine."""

    flags: tuple[str, ...]

    def __call__(self, *argv: str, data: bytes = b"") -> Finished:
        done = subprocess.run(
            (PROGRAM, "bootstrap", "validate", *argv, *self.flags), input=data,
            capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="module")
def validate(engine: tuple[str, tuple[str, ...]], bootstrap_archive: Path) -> Validate:
    argv = (PROGRAM, "image", "load", str(bootstrap_archive), *engine[1])
    subprocess.run(argv, check=True, capture_output=True)
    return Validate(engine[1])


def test_good_user_data_has_no_findings(validate: Validate) -> None:
    done = validate("-", data=GOOD.encode())
    assert (done.status, done.stdout) == (0, "standard input: 1 step, no errors\n"), done.stderr


def test_every_finding_is_a_line_with_severity_and_path(validate: Validate, tmp_path: Path) -> None:
    file = tmp_path / "user-data"
    file.write_text(BAD)
    done = validate(str(file), "--quiet")
    assert done.status == 1
    *findings, last = done.stdout.splitlines()
    assert any(line.startswith("error: user-data: no_such_key: ") for line in findings)
    assert any(line.startswith("error: user-data: runcmd: ") for line in findings)
    assert last == f"{file}: 0 steps, not all of it is understood"
    assert done.stderr == ""


def test_the_findings_as_json(validate: Validate) -> None:
    done = validate("-", "--output", "json", data=BAD.encode())
    facts = done.json()
    assert (done.status, facts["valid"], facts["steps"]) == (1, False, [])
    assert {finding["path"] for finding in facts["findings"]} == {
        "user-data: no_such_key",
        "user-data: runcmd",
    }


def test_an_include_is_a_warning_for_nothing_is_fetched(validate: Validate) -> None:
    include = f"#include\nhttps://example.com/setup.sh sha256-{'0' * 64}\n"
    done = validate("-", data=include.encode())
    assert done.status == 0
    assert done.stdout.startswith("warning: user-data: include 1 (https://example.com/setup.sh): ")


def test_too_much_is_a_finding_and_not_a_hang(validate: Validate) -> None:
    done = validate("-", data=bytes(USER_DATA_LIMIT + 1))
    assert done.status == 1
    assert "user data may have 16 MiB" in done.stdout


def test_a_file_that_cannot_be_read_is_wrong_usage(validate: Validate) -> None:
    done = validate("/no/such/file", "--output", "json")
    assert (done.status, done.code()) == (64, "settings.unreadable")


def test_another_image_is_refused(validate: Validate) -> None:
    done = validate("-", "--output", "json", "--image", "localhost/hatchway-admin:0.1.0")
    assert (done.status, done.code()) == (1, "image.contract")
