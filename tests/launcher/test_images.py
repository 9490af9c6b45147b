# SPDX-License-Identifier: Apache-2.0
"""Images pulled from a real registry and given to real engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from launcher import images
from launcher.images import Pull
from launcher.monitor import SilentMonitor
from launcher.references import Reference
from launcher.registry.endpoint import RegistrySettings
from tests.launcher.real_engines import ENGINES
from tests.launcher.real_registry import RealRegistry, real_registry
from tests.launcher.small_images import make_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from launcher.runtimes.base import Image, Runtime


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with real_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session", params=ENGINES)
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runtime]:
    with ENGINES[request.param](tmp_path_factory.mktemp(request.param)) as running:
        yield running


def pull(reference: str, runtime: Runtime, store: Path, policy: Pull = Pull.MISSING) -> Image:
    return images.ensure(
        Reference.parse(reference),
        runtime=runtime,
        policy=policy,
        registries=RegistrySettings(),
        store=store,
        monitor=SilentMonitor(),
        timeout=60,
    )


@pytest.mark.engine
@pytest.mark.parametrize("docker_form", [False, True], ids=["oci", "docker-schema-2"])
def test_a_pulled_image_is_in_the_engine_under_its_name(
    registry: RealRegistry, engine: Runtime, tmp_path: Path, *, docker_form: bool
) -> None:
    image = make_image((b"one", b"two" * 99999), docker=docker_form)
    registry.push(f"team/app{docker_form:d}", image, "v1")
    name = f"{registry.host}/team/app{docker_form:d}:v1"
    found = pull(name, engine, tmp_path)
    assert (name, image.config_digest) == (found.name, found.config_digest)
    assert image.digest == found.manifest_digest
    assert {"made-by": "a test"} == found.labels
    again = pull(name, engine, tmp_path)
    assert again == found
