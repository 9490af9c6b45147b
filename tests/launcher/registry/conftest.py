# SPDX-License-Identifier: Apache-2.0
"""What every test of the registry client starts from: no waits, an empty environment, a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import stamina

from tests.launcher.registry.case import IMAGE
from tests.launcher.registry_faults import FaultyRegistry, faulty_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    with stamina.set_testing(True, attempts=99):
        yield


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))


@pytest.fixture
def server() -> Iterator[FaultyRegistry]:
    with faulty_registry() as running:
        running.put(IMAGE)
        yield running


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "blobs"
