# SPDX-License-Identifier: Apache-2.0
"""A pull as it should go, and the digests that it insists on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from launcher.monitor import SilentMonitor
from launcher.references import Reference
from launcher.registry.endpoint import RegistrySettings
from launcher.registry.platform import this as this_machine
from launcher.registry.pull import fetch
from launcher.registry.watch import Watch
from tests.launcher.registry.case import IMAGE, failure, get, spooled
from tests.launcher.small_images import (
    digest_of,
    make_image,
    make_index,
    other_architecture,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.launcher.registry_faults import FaultyRegistry


def test_a_tag_brings_every_blob(server: FaultyRegistry, spool: Path) -> None:
    fetched = get(f"{server.host}/team/app:v1", spool)
    assert fetched.digest == IMAGE.digest
    assert spooled(spool) == IMAGE.blobs


def test_a_digest_is_asked_for_by_digest(server: FaultyRegistry, spool: Path) -> None:
    get(f"{server.host}/team/app:other@{IMAGE.digest}", spool)
    assert server.paths("manifests") == [f"/v2/team/app/manifests/{IMAGE.digest}"]


def test_an_index_leads_to_the_image_of_this_machine(server: FaultyRegistry, spool: Path) -> None:
    index = make_index({other_architecture(): make_image((b"x",)), this_machine(): IMAGE})
    server.manifests["multi"] = index, "application/vnd.oci.image.index.v1+json"
    fetched = get(f"{server.host}/app:multi", spool)
    assert (fetched.digest, fetched.manifest.digest) == (digest_of(index), IMAGE.digest)


def test_an_index_without_this_machine_names_what_there_is(
    server: FaultyRegistry, spool: Path
) -> None:
    other = other_architecture()
    index = make_index({other: make_image((b"x",))})
    server.manifests["foreign"] = index, "application/vnd.oci.image.index.v1+json"
    error = failure(f"{server.host}/app:foreign", spool)
    assert error.code == "image.platform"
    assert f"only linux/{other}" in error.message


def test_a_lone_manifest_of_another_machine_is_refused(server: FaultyRegistry, spool: Path) -> None:
    server.put(make_image((b"x",), architecture=other_architecture()), "foreign")
    assert failure(f"{server.host}/app:foreign", spool).code == "image.platform"


def test_an_image_that_the_engine_holds_costs_no_blob(server: FaultyRegistry, spool: Path) -> None:
    watch = Watch(10)
    fetched = fetch(
        Reference.parse(f"{server.host}/app:v1"),
        settings=RegistrySettings(),
        directory=spool,
        held=IMAGE.config_digest,
        watch=watch,
        monitor=SilentMonitor(),
    )
    assert fetched.spool is None
    assert not server.paths("blobs")


def test_a_manifest_that_is_not_its_digest_is_refused(server: FaultyRegistry, spool: Path) -> None:
    other = make_image((b"other",))
    server.manifests[other.digest] = IMAGE.manifest, IMAGE.media_type
    assert failure(f"{server.host}/app@{other.digest}", spool).code == "image.digest"


def test_a_tag_whose_header_names_another_digest_is_refused(
    server: FaultyRegistry, spool: Path
) -> None:
    server.faults.append(
        lambda h: (
            h.wants("manifests")
            and h.answer(200, IMAGE.manifest, Docker_Content_Digest=digest_of(b"other"))
        )
    )
    assert failure(f"{server.host}/app:v1", spool).code == "image.digest"


@pytest.mark.parametrize("change", ["same size", "longer"])
def test_a_blob_that_is_not_its_digest_is_refused(
    server: FaultyRegistry, spool: Path, change: str
) -> None:
    digest, data = next(item for item in IMAGE.blobs.items() if len(item[1]) > 1000)
    server.blobs[digest] = data[:-1] + b"X" if change == "same size" else data + b"X" * 10**6
    error = failure(f"{server.host}/app:v1", spool)
    assert error.code == "image.digest"
    assert digest.removeprefix("sha256:") not in {path.name for path in spool.iterdir()}


BAD_MANIFESTS = {
    "empty": b"",
    "no JSON": b"\xff\xfe",
    "no object": b"[]",
    "nothing in it": b"{}",
    "deep": b"[" * 100_000,
    "both kinds": json.dumps({**json.loads(IMAGE.manifest), "manifests": []}).encode(),
    "negative size": IMAGE.manifest.replace(b'"size": ', b'"size": -'),
    "digest that climbs": IMAGE.manifest.replace(b"sha256:", b"sha256:../../"),
    "no image": IMAGE.manifest.replace(b"image.config.v1", b"helm.config.v1"),
    "too large": IMAGE.manifest + b" " * (4 * 1024 * 1024),
    "old docker": json.dumps({"schemaVersion": 1, "fsLayers": []}).encode(),
}


@pytest.mark.parametrize("body", BAD_MANIFESTS.values(), ids=BAD_MANIFESTS)
def test_a_manifest_that_makes_no_sense_is_the_registrys_fault(
    server: FaultyRegistry, spool: Path, body: bytes
) -> None:
    server.manifests["v1"] = body, IMAGE.media_type
    assert failure(f"{server.host}/app:v1", spool).code == "image.registry"
