# SPDX-License-Identifier: Apache-2.0
"""Images are pulled from a real registry into real engines, and found again there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from launcher.images import Pull
from launcher.registry.endpoint import Endpoint, RegistrySettings
from tests.launcher.pulling import pull
from tests.launcher.real_registry import RealRegistry, free_port, real_registry
from tests.launcher.small_images import make_image, parsed
from tests.launcher.test_archive import written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from launcher.runtimes.base import Runtime

pytestmark = pytest.mark.engine

IMAGE = make_image((b"one",))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with real_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.mark.parametrize("docker_form", [False, True], ids=["oci", "docker-schema-2"])
def test_a_pulled_image_is_in_the_engine_under_its_name(
    registry: RealRegistry, engine: Runtime, tmp_path: Path, *, docker_form: bool
) -> None:
    image = make_image((b"one", b"two" * 99999), docker=docker_form)
    repository = f"team/app{docker_form:d}"
    registry.push(repository, image, "v1")
    name = f"{registry.host}/{repository}:v1"
    found = pull(name, engine, tmp_path)
    assert (name, image.config_digest) == (found.name, found.config_digest)
    assert image.digest == found.manifest_digest
    assert found.labels == {"made-by": "a test"}
    again = pull(name, engine, tmp_path, Pull.NEVER)
    assert again == found


def test_a_pinned_image_is_found_again_in_the_engine(
    registry: RealRegistry, engine: Runtime, tmp_path: Path
) -> None:
    image = make_image((b"pinned",))
    registry.push("pinned", image, "v1")
    name = f"{registry.host}/pinned@{image.digest}"
    found = pull(name, engine, tmp_path)
    again = pull(name, engine, tmp_path, Pull.NEVER)
    assert again == found
    assert found.manifest_digest == image.digest


def test_an_image_of_docker_hub_comes_from_a_mirror_under_its_own_name(
    registry: RealRegistry, engine: Runtime, tmp_path: Path
) -> None:
    image = make_image((b"hub",))
    registry.push("library/thing", image, "v1")
    settings = RegistrySettings(mirrors={"docker.io": (Endpoint.parse(registry.host),)})
    found = pull("thing:v1", engine, tmp_path, settings=settings)
    assert (found.name, found.config_digest) == ("docker.io/library/thing:v1", image.config_digest)


def test_a_registry_that_is_down_never_stops_an_image_that_is_here(
    engine: Runtime, tmp_path: Path
) -> None:
    name = f"127.0.0.1:{free_port()}/gone/app:v1"
    engine.load_image(iter([written(IMAGE, name)]), timeout=60)
    assert pull(name, engine, tmp_path).config_digest == parsed(IMAGE).config.digest
    assert pull(name, engine, tmp_path, Pull.ALWAYS).config_digest == IMAGE.config_digest
