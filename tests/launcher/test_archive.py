# SPDX-License-Identifier: Apache-2.0
"""Archives: what we write is a tar of both forms, and what others save is read and checked."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import tarfile
import tracemalloc
from typing import IO, TYPE_CHECKING, cast

import pytest

from launcher import archive, images
from launcher.errors import HostError, ImageError, SettingsError
from launcher.image_names import Terms
from launcher.incoming import Limits, inspect_archive
from launcher.monitor import SilentMonitor
from launcher.references import Reference
from launcher.registry.manifests import Descriptor
from launcher.runtimes.whales import Whales
from launcher.settings import DEFAULT_IMAGE
from tests.launcher.real_engines import docker, podman
from tests.launcher.small_images import (
    SmallImage,
    digest_of,
    layer_tar,
    make_image,
    make_index,
    other_architecture,
    parsed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from launcher.runtimes.base import Image, Runtime

NAME = "reg.example:5000/team/app:v1"
IMAGE = make_image((b"one", b"two", b"one"))


def written(image: SmallImage, name: str = NAME) -> bytes:
    return b"".join(
        archive.write(parsed(image), name, lambda blob: iter([image.blobs[blob.digest]]))
    )


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {entry.name: cast("IO[bytes]", tar.extractfile(entry)).read() for entry in tar}


def tar_of(files: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return stream.getvalue()


def old_docker(files: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    """Make an archive as docker 20.10 saves it: plain layers, no manifest of its own."""
    layer = layer_tar("file0", b"one")
    config = json.dumps({"rootfs": {"diff_ids": [digest_of(layer)] * 2}}).encode()
    saved = [{"Config": "c.json", "RepoTags": ["app:v1"], "Layers": ["a/layer.tar", "b/layer.tar"]}]
    content = {
        "c.json": config,
        "a/layer.tar": layer,
        "manifest.json": json.dumps(saved).encode(),
        **files,
    }
    return tar_of(content, {"b/layer.tar": "../a/layer.tar", **(links or {})})


# Writing


def test_both_indexes_lead_to_the_same_blobs() -> None:
    found = members(written(IMAGE))
    [docker_entry] = json.loads(found["manifest.json"])
    [oci_entry] = json.loads(found["index.json"])["manifests"]
    assert docker_entry["RepoTags"] == [NAME]
    assert oci_entry["annotations"]["io.containerd.image.name"] == NAME
    assert digest_of(found[docker_entry["Config"]]) == IMAGE.config_digest
    assert found["blobs/sha256/" + oci_entry["digest"][7:]] == IMAGE.manifest
    assert [found[path] for path in docker_entry["Layers"]] == [
        IMAGE.blobs[layer.digest] for layer in parsed(IMAGE).layers
    ]


@pytest.mark.parametrize("change", [b"", b"longer"])
def test_a_blob_of_another_length_ends_the_archive(change: bytes) -> None:
    with pytest.raises(ImageError) as caught:
        list(archive.write(parsed(IMAGE), NAME, lambda _: iter([change, b"x" * 10_000])))
    assert caught.value.code == "image.archive"


def test_a_large_image_is_written_in_constant_memory() -> None:
    size = 200 * 2**20
    chunk = bytes(2**18)
    config, _ = parsed(IMAGE).blobs()[:2]
    layer = Descriptor("application/vnd.oci.image.layer.v1.tar", digest_of(b"large"), size)
    manifest = type(parsed(IMAGE))(IMAGE.digest, "x", b"{}", config, (layer,))

    def read(blob: Descriptor) -> Iterator[bytes]:
        if blob is config:
            return iter([IMAGE.blobs[config.digest]])
        return (chunk for _ in range(size // len(chunk)))

    tracemalloc.start()
    try:
        total = sum(len(piece) for piece in archive.write(manifest, NAME, read))
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()
    assert total > size


# Reading


def read_back(data: bytes | Path | IO[bytes], scratch: Path) -> tuple[tuple[str, ...], str]:
    source = io.BytesIO(data) if isinstance(data, bytes) else data
    with inspect_archive(source, scratch=scratch) as found:
        again = b"".join(archive.write(found.manifest, found.name(), found.read))
        assert digest_of(members(again)["blobs/" + found.config_digest.replace(":", "/")])
        return found.names, found.config_digest


def test_what_we_write_we_can_read(tmp_path: Path) -> None:
    assert read_back(written(IMAGE), tmp_path) == ((NAME,), IMAGE.config_digest)


def test_an_archive_may_be_gzipped_or_come_through_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "image.tar.gz"
    path.write_bytes(gzip.compress(written(IMAGE)))
    assert read_back(path, tmp_path) == ((NAME,), IMAGE.config_digest)
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as child:
        assert child.stdout
        assert read_back(child.stdout, tmp_path)[1] == IMAGE.config_digest
    assert [found.name for found in tmp_path.iterdir()] == ["image.tar.gz"]


def test_dockers_old_form_is_read_with_its_links(tmp_path: Path) -> None:
    names, _ = read_back(old_docker({}), tmp_path)
    assert names == ("docker.io/library/app:v1",)


def test_an_index_of_platforms_gives_this_machines_image(tmp_path: Path) -> None:
    other = make_image((b"x",), architecture=other_architecture())
    index = make_index({other_architecture(): other, architecture_of(IMAGE): IMAGE})
    blobs = {digest_of(data): data for data in (IMAGE.manifest, other.manifest)} | IMAGE.blobs
    files = {f"blobs/sha256/{digest[7:]}": data for digest, data in blobs.items()}
    assert read_back(tar_of({"index.json": index, **files}), tmp_path)[1] == IMAGE.config_digest


def architecture_of(image: SmallImage) -> str:
    return str(json.loads(image.blobs[image.config_digest])["architecture"])


def test_an_image_of_another_machine_is_refused(tmp_path: Path) -> None:
    other = make_image((b"x",), architecture=other_architecture())
    with pytest.raises(ImageError) as caught:
        read_back(written(other), tmp_path)
    assert caught.value.code == "image.platform"


def without(name: str) -> bytes:
    return tar_of({key: data for key, data in members(written(IMAGE)).items() if key != name})


def changed(**files: object) -> bytes:
    new = {key.replace("_", "."): json.dumps(value).encode() for key, value in files.items()}
    return tar_of({**members(written(IMAGE)), **new})


LAYER = "blobs/sha256/" + parsed(IMAGE).layers[0].digest[7:]
BROKEN = {
    "empty": b"",
    "garbage": b"garbage" * 1000,
    "cut off": written(IMAGE)[: len(written(IMAGE)) // 2],
    "damaged gzip": gzip.compress(written(IMAGE))[:-40],
    "false gzip": b"\x1f\x8b" + b"garbage" * 100,
    "no image": tar_of({"readme": b"hello"}),
    "no layer": without(LAYER),
    "damaged layer": tar_of({**members(written(IMAGE)), LAYER: b"x" * 100}),
    "index is no JSON": tar_of({**members(written(IMAGE)), "index.json": b"\xff"}),
    "index is empty": changed(index_json={"manifests": []}),
    "two images": tar_of(
        {
            "manifest.json": json.dumps(
                [{"Config": "a", "Layers": []}, {"Config": "b", "Layers": []}]
            ).encode()
        }
    ),
    "link outside": old_docker({}, {"b/layer.tar": "../../../../etc/passwd"}),
    "link to itself": old_docker({}, {"b/layer.tar": "layer.tar"}),
    "other layers": old_docker({"a/layer.tar": layer_tar("other", b"x")}),
    "config outside": tar_of(
        {"manifest.json": json.dumps([{"Config": "/etc/passwd", "Layers": []}]).encode()}
    ),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_a_broken_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ImageError) as caught:
        read_back(data, tmp_path)
    assert (caught.value.code, bool(caught.value.hint)) == ("image.archive", True)
    assert not list(tmp_path.iterdir())


def test_an_archive_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_back(tmp_path / "absent", tmp_path)


@pytest.mark.engine
def test_a_full_disk_under_a_piped_archive_is_told(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tiny", tmp_path], check=True)
    try:
        big = make_image((os.urandom(3_000_000),))
        with pytest.raises(HostError) as caught:
            read_back(gzip.compress(written(big), 1), tmp_path)
        assert caught.value.code == "host.disk-full"
    finally:
        subprocess.run(["umount", tmp_path], check=True)


# Real engines


def load(source: Path, runtime: Runtime, store: Path, terms: Terms | None = None) -> Image:
    return images.load(
        source, runtime=runtime, store=store, monitor=SilentMonitor(), timeout=60,
        terms=terms or Terms(), limits=Limits(),
    )  # fmt: skip


SAVES = {
    "podman-oci": (podman, "--format=oci-archive"),
    "podman-docker": (podman, "--format=docker-archive"),
    "docker": (docker, None),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give what each engine saves of our image."""
    place = tmp_path_factory.mktemp("saved")
    found = {}
    for key, (start, option) in SAVES.items():
        with start(tmp_path_factory.mktemp("source")) as runtime:
            runtime.load_image(iter([written(IMAGE)]), timeout=60)
            assert isinstance(runtime, Whales)
            found[key] = place / f"{key}.tar"
            options = (option,) if option else ()
            argv = (runtime.program, *runtime.options, "save", *options, "-o", found[key], NAME)
            subprocess.run(argv, check=True, capture_output=True, timeout=60)
    return found


@pytest.mark.engine
@pytest.mark.parametrize("key", SAVES)
def test_what_one_engine_saves_every_engine_takes(
    saved: dict[str, Path], engine: Runtime, tmp_path: Path, key: str
) -> None:
    engine.remove_image(NAME)
    found = load(saved[key], engine, tmp_path)
    assert (found.name, found.config_digest) == (NAME, IMAGE.config_digest)


@pytest.mark.engine
def test_no_archive_takes_the_admin_images_place(engine: Runtime, tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    engine.load_image(iter([written(IMAGE, DEFAULT_IMAGE)]), timeout=60)
    path.write_bytes(written(make_image((b"evil",)), DEFAULT_IMAGE))
    with pytest.raises(ImageError) as caught:
        load(path, engine, tmp_path)
    held = engine.find_image(DEFAULT_IMAGE)
    assert held is not None
    assert caught.value.code == "image.reserved"
    assert load(path, engine, tmp_path, Terms(name=Reference.parse(DEFAULT_IMAGE)))
    replaced = engine.find_image(DEFAULT_IMAGE)
    assert replaced is not None
    assert replaced.runs_as != held.runs_as
    assert engine.storage().is_dir()


@pytest.mark.engine
def test_an_archive_of_no_name_gets_one(engine: Runtime, tmp_path: Path) -> None:
    nameless = changed(
        index_json={
            "manifests": [
                {
                    "mediaType": IMAGE.media_type,
                    "digest": IMAGE.digest,
                    "size": len(IMAGE.manifest),
                }
            ]
        },
        manifest_json=[],
    )
    path = tmp_path / "image.tar"
    path.write_bytes(nameless)
    found = load(path, engine, tmp_path)
    assert found.name == f"localhost/loaded:{IMAGE.config_digest[7:19]}"
