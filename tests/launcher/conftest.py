# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.launcher.real_engines import ENGINES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from launcher.runtimes.base import Runtime


@pytest.fixture(scope="module", params=ENGINES)
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runtime]:
    with ENGINES[request.param](tmp_path_factory.mktemp(request.param)) as running:
        yield running
