# SPDX-License-Identifier: Apache-2.0
"""The reference host as a pytest fixture.

A test module asks for it with `pytest_plugins = ["tests.refhost.fixture"]`, not by an import: then
all modules of a run share one machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.refhost.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def host() -> Iterator[Machine]:
    """A reference host that is up; a test that needs its own disk or hardware makes a `Machine`."""
    with Machine() as machine:
        yield machine
