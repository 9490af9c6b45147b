# SPDX-License-Identifier: Apache-2.0
"""Images that are found, pulled or loaded: cache first, pins kept, nothing left behind."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, cast

import pytest
import stamina

from launcher import image_record, images
from launcher.errors import HostError, ImageError, RuntimeUnavailableError
from launcher.images import Pull
from launcher.registry.endpoint import RegistrySettings
from launcher.registry.platform import this as this_machine
from tests.launcher import registry_faults as faults
from tests.launcher.bench import Bench
from tests.launcher.pulling import pull
from tests.launcher.registry_faults import faulty_registry
from tests.launcher.small_images import digest_of, make_image, make_index
from tests.launcher.test_archive import written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from launcher.runtimes.base import Image, Runtime

IMAGE = make_image((b"one", os.urandom(100_000)))
OTHER = make_image((b"other",))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with faulty_registry() as server, stamina.set_testing(True, attempts=99):
        server.put(IMAGE)
        yield Bench(server, tmp_path / "store")


# Cache first


def test_an_image_that_is_missing_is_pulled_and_its_blobs_dropped(bench: Bench) -> None:
    found = bench.ensure()
    assert (found.config_digest, found.manifest_digest) == (IMAGE.config_digest, IMAGE.digest)
    assert bench.left() == []


def test_an_image_that_is_here_costs_no_network_and_no_write(bench: Bench) -> None:
    bench.engine.hold(bench.name(), OTHER.config_digest)
    assert bench.ensure().config_digest == OTHER.config_digest
    assert not bench.server.seen
    assert not bench.store.exists()


def test_an_image_of_ours_keeps_the_digest_that_it_came_with(bench: Bench) -> None:
    first = bench.ensure()
    asked = len(bench.server.seen)
    assert bench.ensure() == first
    assert len(bench.server.seen) == asked


def test_never_is_an_error_that_says_what_to_do(bench: Bench) -> None:
    with pytest.raises(ImageError) as caught:
        bench.ensure(policy=Pull.NEVER)
    assert (caught.value.code, bool(caught.value.hint)) == ("image.missing", True)
    assert not bench.server.seen


def test_a_name_that_only_builds_give_is_not_looked_for_in_a_registry(bench: Bench) -> None:
    with pytest.raises(ImageError) as caught:
        pull("localhost/app:v1", cast("Runtime", bench.engine), bench.store)
    assert caught.value.code == "image.missing"
    bench.engine.hold("localhost/app:v1", IMAGE.config_digest)
    found = pull("localhost/app:v1", cast("Runtime", bench.engine), bench.store, Pull.ALWAYS)
    assert found.config_digest == IMAGE.config_digest


# Engines that call images by the digest of a manifest or an index


@pytest.fixture
def by_manifest(bench: Bench) -> Bench:
    bench.engine.by_manifest = True
    return bench


def test_an_engine_may_have_another_id_for_what_it_took(by_manifest: Bench) -> None:
    found = by_manifest.ensure()
    assert (found.config_digest, found.manifest_digest) == (IMAGE.config_digest, IMAGE.digest)
    assert found.runs_as == IMAGE.digest
    asked = len(by_manifest.server.seen)
    assert by_manifest.ensure() == found
    assert len(by_manifest.server.seen) == asked


def test_an_image_is_not_fetched_twice_whatever_the_engine_calls_it(by_manifest: Bench) -> None:
    index = make_index({this_machine(): IMAGE})
    kind = "application/vnd.oci.image.index.v1+json"
    by_manifest.server.manifests["v1"] = index, kind
    for own in (IMAGE.digest, digest_of(index)):
        by_manifest.engine.hold(by_manifest.name(), own)
        found = by_manifest.ensure(policy=Pull.ALWAYS)
        assert (found.config_digest, found.runs_as) == (IMAGE.config_digest, own)
    assert by_manifest.engine.loads == 0


def test_a_pin_is_found_again_whatever_the_engine_calls_it(by_manifest: Bench) -> None:
    first = by_manifest.ensure(f"app@{IMAGE.digest}")
    assert by_manifest.ensure(f"app@{IMAGE.digest}", Pull.NEVER) == first
    by_manifest.engine.hold(by_manifest.name(), IMAGE.digest)
    assert by_manifest.ensure(f"app:v1@{IMAGE.digest}", Pull.NEVER).manifest_digest == IMAGE.digest
    by_manifest.engine.hold(by_manifest.name(), OTHER.digest)
    with pytest.raises(ImageError):
        by_manifest.ensure(f"app:v1@{IMAGE.digest}", Pull.NEVER)


# Always


def test_always_pulls_what_changed(bench: Bench) -> None:
    bench.ensure()
    bench.server.put(OTHER)
    assert bench.ensure(policy=Pull.ALWAYS).config_digest == OTHER.config_digest


def test_always_fetches_no_blob_when_nothing_changed(bench: Bench) -> None:
    bench.ensure()
    asked = len(bench.server.paths("blobs"))
    bench.ensure(policy=Pull.ALWAYS)
    assert (len(bench.server.paths("blobs")), bench.engine.loads) == (asked, 1)


@pytest.mark.parametrize(
    "fault", [faults.status(500), faults.Handler.reset, faults.truncated_blobs], ids=range(3)
)
def test_always_uses_what_is_here_when_the_registry_cannot_be_reached(
    bench: Bench, fault: Any
) -> None:
    bench.engine.hold(bench.name(), OTHER.config_digest)
    bench.server.faults.append(fault)
    assert bench.ensure(policy=Pull.ALWAYS).config_digest == OTHER.config_digest
    assert bench.monitor.notes[-1].endswith("using the image that is here")


@pytest.mark.parametrize("code", [401, 403, 404])
def test_always_does_not_pass_over_a_refusal(bench: Bench, code: int) -> None:
    bench.engine.hold(bench.name(), OTHER.config_digest)
    bench.server.faults.append(faults.status(code))
    with pytest.raises(ImageError):
        bench.ensure(policy=Pull.ALWAYS)


# Pins


def test_a_pin_is_satisfied_by_what_was_pulled_under_it(bench: Bench) -> None:
    pin = f"app@{IMAGE.digest}"
    first = bench.ensure(pin)
    asked = len(bench.server.seen)
    assert first.name == bench.name(f"app:pinned-{IMAGE.digest[7:19]}")
    assert bench.ensure(pin) == bench.ensure(pin, Pull.ALWAYS) == first
    assert len(bench.server.seen) == asked


def test_a_pin_does_not_take_a_tag_that_holds_something_else(bench: Bench) -> None:
    bench.engine.hold(bench.name(), OTHER.config_digest)
    found = bench.ensure(f"app:v1@{IMAGE.digest}")
    assert found.config_digest == IMAGE.config_digest


def test_a_pin_is_not_satisfied_by_a_tag_that_was_moved_in_the_engine(bench: Bench) -> None:
    pin = f"app:v1@{IMAGE.digest}"
    bench.ensure(pin)
    bench.engine.hold(bench.name(), OTHER.config_digest)
    with pytest.raises(ImageError) as caught:
        bench.ensure(pin, Pull.NEVER)
    assert caught.value.code == "image.missing"


def test_a_pin_is_satisfied_by_the_tag_that_was_pulled_before(bench: Bench) -> None:
    bench.ensure()
    bench.server.faults.append(faults.status(500))
    assert bench.ensure(f"app:v1@{IMAGE.digest}").config_digest == IMAGE.config_digest


def test_a_pin_may_name_the_index_or_the_image_in_it(bench: Bench) -> None:
    index = make_index({this_machine(): IMAGE})
    kind = "application/vnd.oci.image.index.v1+json"
    bench.server.manifests["v1"] = bench.server.manifests[digest_of(index)] = index, kind
    assert bench.ensure().manifest_digest == digest_of(index)
    for digest in (digest_of(index), IMAGE.digest):
        assert bench.ensure(f"app:v1@{digest}", Pull.NEVER).manifest_digest == digest


def test_an_image_that_is_here_by_chance_is_recognised_by_its_configuration(bench: Bench) -> None:
    bench.engine.hold(bench.name(), IMAGE.config_digest)
    bench.ensure(f"app:v1@{IMAGE.digest}")
    assert not bench.server.paths("blobs")
    assert bench.engine.loads == 0


# The record


@pytest.mark.parametrize("content", [b"", b"garbage", b"[]", b'{"x": 1}', b"[" * 100_000])
def test_a_damaged_record_is_an_empty_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "images.json"
    path.write_bytes(content)
    assert image_record.read(path) == {}
    entry = image_record.Entry("a", "b", "c", "now")
    image_record.remember(path, "r", entry)
    assert image_record.read(path) == {"r": entry}


def test_the_record_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_record, "LIMIT", 3)
    entry = image_record.Entry("a", "b", "c", "now")
    for number in range(image_record.LIMIT + 5):
        image_record.remember(tmp_path / "images.json", f"r{number}", entry)
    found = image_record.read(tmp_path / "images.json")
    assert (len(found), "r4" in found, "r5" in found) == (image_record.LIMIT, False, True)


# Failures and what they leave


def test_a_pull_out_of_time_says_what_the_trouble_was(bench: Bench) -> None:
    bench.server.faults.append(faults.times(1, faults.status(503, "manifests")))
    bench.server.faults.append(faults.trickle("blobs"))
    with pytest.raises(ImageError) as caught:
        bench.ensure(timeout=3)
    assert caught.value.code == "image.timeout"
    assert "503" in caught.value.message


def test_an_engine_that_fails_leaves_blobs_for_the_next_try(bench: Bench) -> None:
    bench.engine.fail = RuntimeUnavailableError("runtime.down", "gone")
    with pytest.raises(RuntimeUnavailableError):
        bench.ensure()
    fetched = len(bench.server.paths("blobs"))
    bench.engine.fail = None
    bench.ensure()
    assert len(bench.server.paths("blobs")) == fetched
    assert bench.left() == []


def test_an_engine_that_does_not_hold_what_it_took_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.engine, "hold", lambda *_: None)
    with pytest.raises(ImageError, match="does not hold it"):
        bench.ensure()


def test_a_store_that_others_can_write_to_is_refused(bench: Bench) -> None:
    bench.store.mkdir()
    bench.store.chmod(0o777)
    with pytest.raises(HostError) as caught:
        bench.ensure()
    assert caught.value.code == "host.unsafe-path"


def test_many_pulls_at_once_are_one_pull(bench: Bench) -> None:
    found: list[Image] = []
    threads = [threading.Thread(target=lambda: found.append(bench.ensure())) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), bench.engine.loads) == (10, 1)


def test_a_lock_that_is_held_for_too_long_is_told(bench: Bench) -> None:
    bench.store.mkdir(mode=0o755)
    with (bench.store / images.LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(HostError) as caught:
            bench.ensure(timeout=0.3)
    assert caught.value.code == "host.busy"


KILLED = """
import sys, pathlib
from tests.launcher.bench import Bench
from tests.launcher.registry_faults import FaultyRegistry
Bench(FaultyRegistry(sys.argv[1]), pathlib.Path(sys.argv[2])).ensure(timeout=600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_launcher_that_is_killed_in_a_pull_does_not_block_the_next(
    bench: Bench, number: signal.Signals
) -> None:
    bench.server.faults.append(faults.trickle("blobs"))
    argv = [sys.executable, "-c", KILLED, bench.server.host, str(bench.store)]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as child:
        end = time.monotonic() + 60
        while not bench.server.paths("blobs"):
            assert time.monotonic() < end
            time.sleep(0.05)
        child.send_signal(number)
        start = time.monotonic()
        child.wait(60)
        assert time.monotonic() - start < 30
    bench.server.faults.clear()
    assert bench.ensure().config_digest == IMAGE.config_digest
    assert bench.left() == []


def test_credentials_come_from_the_auth_file_that_the_settings_name(
    bench: Bench, tmp_path: Path
) -> None:
    path = tmp_path / "auth.json"
    path.write_text(json.dumps({"auths": {bench.server.host: {"username": "me", "password": "x"}}}))
    challenge = 'Basic realm="x"'
    bench.server.faults.append(
        lambda h: "Authorization" not in h.headers and h.answer(401, WWW_Authenticate=challenge)
    )
    bench.settings = RegistrySettings(authfile=path)
    assert bench.ensure().config_digest == IMAGE.config_digest


# Archives


def test_a_loaded_archive_satisfies_its_pin(bench: Bench) -> None:
    bench.load(written(IMAGE, bench.name()))
    pinned = bench.ensure(f"app:v1@{IMAGE.digest}", Pull.NEVER)
    assert pinned.config_digest == IMAGE.config_digest
