# SPDX-License-Identifier: Apache-2.0
"""What an archive calls its image is no reason to start it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from launcher import own_images, settings
from launcher.errors import ImageError
from launcher.image_names import Terms, terms
from launcher.references import Reference
from launcher.settings import Admin, Bootstrap, Settings
from tests.launcher.bench import Bench
from tests.launcher.registry_faults import FaultyRegistry
from tests.launcher.small_images import digest_of, make_image
from tests.launcher.test_archive import written

if TYPE_CHECKING:
    from pathlib import Path

GOOD = make_image((b"the program's own",), labels={"io.hatchway.admin.contract": "1"})
EVIL = make_image((b"another's",), labels={"io.hatchway.admin.contract": "1"})
OURS = settings.DEFAULT_IMAGE
SOURCE = "registry.example.com/infra/admin:1"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A host that holds the program's own image, whose digest the program knows."""
    known = tmp_path / "own_images.json"
    known.write_text(json.dumps({OURS.rpartition(":")[0]: GOOD.config_digest}))
    monkeypatch.setattr(own_images, "digests", lambda read=own_images.digests: read(known))
    bench = Bench(FaultyRegistry("localhost:1"), tmp_path / "store")
    bench.engine.hold(OURS, GOOD.config_digest)
    return bench


def configured(**more: str) -> Terms:
    """The terms of a host whose settings name images."""
    own = Bootstrap(source=f"registry.example.com/infra/own@{GOOD.digest}")
    named = Settings(
        host_containers={"admin": Admin(source=SOURCE)}, bootstrap_containers={"own": own}
    )
    return terms(named, **more)


@pytest.mark.parametrize(
    "name",
    [
        OURS,
        OURS.replace("0.1.0", "0.2.0"),
        "localhost/hatchway-bootstrap:latest",
        SOURCE,
        "registry.example.com/infra/admin:2",
        "registry.example.com/infra/own:1",
    ],
)
def test_an_archive_does_not_take_a_reserved_name_by_saying_so(bench: Bench, name: str) -> None:
    before = dict(bench.engine.images)
    with pytest.raises(ImageError) as caught:
        bench.load(written(EVIL, name), configured())
    assert (caught.value.code, caught.value.details["name"]) == ("image.reserved", name)
    assert caught.value.details["config_digest"] == EVIL.config_digest
    assert (bench.engine.images, bench.engine.loads) == (before, 0)


def test_no_archive_replaces_another_image_by_saying_so(bench: Bench) -> None:
    bench.load(written(GOOD, "localhost/app:1"))
    bench.load(written(GOOD, "localhost/app:1"))  # the same once more
    with pytest.raises(ImageError, match="has another image of that name") as caught:
        bench.load(written(EVIL, "localhost/app:1"))
    assert caught.value.code == "image.reserved"
    bench.load(written(EVIL, "localhost/app:1"), terms(Settings(), name="localhost/app:1"))
    assert bench.engine.images["localhost/app:1"].config_digest == EVIL.config_digest


def test_the_programs_own_image_is_known_by_its_digest(bench: Bench) -> None:
    bench.engine.hold(OURS, EVIL.config_digest)  # an older one, say
    assert bench.load(written(GOOD, OURS), configured()).config_digest == GOOD.config_digest
    with pytest.raises(ImageError, match="reserved"):  # it is the admin image, and no other
        bench.load(written(GOOD, "localhost/hatchway-bootstrap:0.1.0"))


def test_a_digest_that_the_settings_pin_is_enough(bench: Bench) -> None:
    name = "registry.example.com/infra/own:1"
    assert bench.load(written(GOOD, name), configured()).name == name


@pytest.mark.parametrize("digest", [EVIL.config_digest, EVIL.digest])
def test_an_expected_digest_lets_an_archive_have_its_name(bench: Bench, digest: str) -> None:
    assert bench.load(written(EVIL, SOURCE), configured(digest=digest)).name == SOURCE


def test_a_name_that_is_given_counts_whatever_the_archive_says(bench: Bench) -> None:
    found = bench.load(written(EVIL, OURS), configured(name="app"))
    assert found.name == "docker.io/library/app:latest"
    assert bench.engine.images[OURS].config_digest == GOOD.config_digest
    assert bench.load(written(EVIL, "x:1"), configured(name=OURS)).name == OURS


@pytest.mark.parametrize(
    "given",
    [
        {"digest": digest_of(b"other")},
        {"digest": digest_of(b"other"), "name": OURS},
        {"name": f"app@{digest_of(b'other')}"},
    ],
)
def test_an_archive_of_another_digest_is_refused(bench: Bench, given: dict[str, str]) -> None:
    with pytest.raises(ImageError) as caught:
        bench.load(written(EVIL, "app:1"), configured(**given))
    assert (caught.value.code, bench.engine.loads) == ("image.digest", 0)


@pytest.mark.parametrize("given", [{"digest": "latest"}, {"name": "UPPER"}, {"name": "a b"}])
def test_what_is_no_name_and_no_digest_is_told(given: dict[str, str]) -> None:
    with pytest.raises(ImageError) as caught:
        configured(**given)
    assert caught.value.code == "image.reference"


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"a": 1}', b"\xff"])
def test_a_program_that_was_built_without_images_knows_none(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "own_images.json"
    if content is not None:
        path.write_bytes(content)
    assert own_images.digests(path) == {}


def test_what_is_reserved_are_the_images_that_settings_name() -> None:
    assert Reference.parse(SOURCE) in configured().reserved
