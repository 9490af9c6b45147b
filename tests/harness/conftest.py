# SPDX-License-Identifier: Apache-2.0
"""Our own pytest plugins, each run in a pytest of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., pytest.RunResult]:
    """Run tests of this text, with further arguments for pytest."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeini("[pytest]\nmarkers =\n  realtime\n  in_order\n  engine\n  refhost\n")

    def go(text: str, *more: str, patience: float = 1) -> pytest.RunResult:
        pytester.makeconftest(f"from tests import leftovers\nleftovers.PATIENCE = {patience}\n")
        pytester.makepyfile(text)
        plugins = ("-p", "tests.realtime", "-p", "tests.leftovers")
        return pytester.runpytest_subprocess(*plugins, *more)

    return go


@pytest.fixture(params=[(), ("-n", "2", "--dist=loadfile")], ids=["alone", "workers"])
def run_each_way(
    run: Callable[..., pytest.RunResult], request: pytest.FixtureRequest
) -> Callable[..., pytest.RunResult]:
    """Do it without workers, and with two."""
    return lambda text, *more, **options: run(text, *request.param, *more, **options)
