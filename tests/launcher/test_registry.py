# SPDX-License-Identifier: Apache-2.0
"""The registry client against a real registry and against one that misbehaves."""

from __future__ import annotations

import _thread
import base64
import dataclasses
import gc
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
from typing import TYPE_CHECKING

import pytest
import stamina

from launcher.errors import HostError, ImageError
from launcher.monitor import SilentMonitor
from launcher.references import Reference
from launcher.registry import transport
from launcher.registry.endpoint import Endpoint, RegistrySettings
from launcher.registry.failures import RegistryError
from launcher.registry.platform import this as this_machine
from launcher.registry.pull import Fetched, fetch
from launcher.registry.retry import Patience
from launcher.registry.watch import Watch
from tests.launcher import registry_faults as faults
from tests.launcher.real_registry import (
    PASSWORD,
    USER,
    free_port,
    make_certificates,
    real_registry,
)
from tests.launcher.registry_faults import FaultyRegistry, Handler, faulty_registry
from tests.launcher.small_images import (
    SmallImage,
    digest_of,
    make_image,
    make_index,
    other_architecture,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGE = make_image((b"one", os.urandom(200_000)))


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


def get(
    name: str,
    directory: Path,
    settings: RegistrySettings | None = None,
    *,
    monitor: SilentMonitor | None = None,
    timeout: float = 30,
) -> Fetched:
    watch = Watch(timeout)
    return watch.run(
        lambda: fetch(
            Reference.parse(name),
            settings=settings or RegistrySettings(),
            directory=directory,
            held="",
            watch=watch,
            monitor=monitor or SilentMonitor(),
        )
    )


def failure(name: str, directory: Path, settings: RegistrySettings | None = None) -> ImageError:
    with pytest.raises(ImageError) as caught:
        get(name, directory, settings)
    assert caught.value.hint
    assert "secret" not in json.dumps(caught.value.as_json())
    return caught.value


def spooled(directory: Path) -> dict[str, bytes]:
    return {f"sha256:{path.name}": path.read_bytes() for path in directory.iterdir()}


# The way it should go


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


# Logging in


def bearer(server: FaultyRegistry, token: str, realm: str) -> None:
    """Want a token, from a place that hands it out to whoever asks."""

    def fault(handler: Handler) -> bool:
        if handler.path.startswith("/token"):
            return handler.answer(200, json.dumps({"token": token}).encode())
        if handler.headers.get("Authorization") == f"Bearer {token}":
            return False
        challenge = f'Bearer realm="{realm}",service="a registry",scope="repository:app:pull"'
        return handler.answer(401, b"{}", WWW_Authenticate=challenge)

    server.faults.append(fault)


def test_a_bearer_token_is_fetched_once_for_all_requests(
    server: FaultyRegistry, spool: Path
) -> None:
    bearer(server, "secret-token", f"http://{server.host}/token")
    get(f"{server.host}/app:v1", spool)
    asked = [seen for seen in server.seen if seen.path.startswith("/token")]
    assert len(asked) == 1
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(asked[0].path).query)
    assert query == {"service": ["a registry"], "scope": ["repository:app:pull"]}
    assert "Authorization" not in asked[0].headers


def test_credentials_go_to_the_token_service_alone(server: FaultyRegistry, spool: Path) -> None:
    bearer(server, "secret-token", f"http://{server.host}/token")
    known = Endpoint(server.host, username="me", password="secret-word")
    get(f"{server.host}/app:v1", spool, RegistrySettings(endpoints={server.host: known}))
    basic = "Basic " + base64.b64encode(b"me:secret-word").decode()
    by_basic = [s.path for s in server.seen if s.headers.get("Authorization") == basic]
    assert len(by_basic) == 1
    assert by_basic[0].startswith("/token?")


def test_an_identity_token_is_posted(server: FaultyRegistry, spool: Path) -> None:
    bearer(server, "secret-token", f"http://{server.host}/token")
    known = Endpoint(server.host, identity_token="secret-identity")
    get(f"{server.host}/app:v1", spool, RegistrySettings(endpoints={server.host: known}))
    posted = [seen for seen in server.seen if seen.method == "POST"]
    form = urllib.parse.parse_qs(posted[0].body.decode())
    assert (form["grant_type"], form["refresh_token"]) == (["refresh_token"], ["secret-identity"])


def test_a_token_service_that_refuses_is_unauthorized(server: FaultyRegistry, spool: Path) -> None:
    bearer(server, "secret-token", f"http://{server.host}/token")
    server.faults.insert(0, lambda h: h.path.startswith("/token") and h.answer(401))
    assert failure(f"{server.host}/app:v1", spool).code == "image.unauthorized"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"token": "a\\nb"}', b"\xff", b"[" * 100_000], ids=repr
)
def test_a_token_that_is_none_is_the_registrys_fault(
    server: FaultyRegistry, spool: Path, body: bytes
) -> None:
    bearer(server, "secret-token", f"http://{server.host}/token")
    server.faults.insert(0, lambda h: h.path.startswith("/token") and h.answer(200, body))
    assert failure(f"{server.host}/app:v1", spool).code == "image.registry"


@pytest.mark.parametrize("realm", ["", "/token", "ftp://x/", "http://[", "http://x:99999/"])
def test_a_place_for_tokens_that_is_none_is_the_registrys_fault(
    server: FaultyRegistry, spool: Path, realm: str
) -> None:
    bearer(server, "secret-token", realm)
    assert failure(f"{server.host}/app:v1", spool).code == "image.registry"


def test_a_real_registry_takes_basic_credentials(tmp_path: Path, spool: Path) -> None:
    with real_registry(tmp_path / "registry", auth=True) as registry:
        registry.push("app", IMAGE, "v1")
        error = failure(f"{registry.host}/app:v1", spool)
        assert error.code == "image.unauthorized"
        wrong = Endpoint(registry.host, username=USER, password="wrong-secret")
        settings = RegistrySettings(endpoints={registry.host: wrong})
        assert failure(f"{registry.host}/app:v1", spool, settings).code == "image.unauthorized"
        right = Endpoint(registry.host, username=USER, password=PASSWORD)
        get(f"{registry.host}/app:v1", spool, RegistrySettings(endpoints={registry.host: right}))
    assert spooled(spool) == IMAGE.blobs


def test_a_real_registry_with_a_private_ca_needs_its_ca_file(tmp_path: Path, spool: Path) -> None:
    with real_registry(tmp_path / "registry", tls=True) as registry:
        registry.push("app", IMAGE, "v1")
        strict = Endpoint(registry.host, plain_http=False)
        settings = RegistrySettings(endpoints={registry.host: strict})
        error = failure(f"{registry.host}/app:v1", spool, settings)
        assert (error.code, "ca-file" in error.hint) == ("image.tls", True)
        assert failure(f"{registry.host}/app:v1", spool).code == "image.tls"
        trusting = dataclasses.replace(strict, ca_file=registry.ca_file)
        get(f"{registry.host}/app:v1", spool, RegistrySettings(endpoints={"*": trusting}))
    assert spooled(spool) == IMAGE.blobs


@pytest.mark.parametrize("content", [None, b"", b"garbage"])
def test_a_ca_file_that_cannot_be_used_is_named(
    tmp_path: Path, spool: Path, content: bytes | None
) -> None:
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_bytes(content)
    known = Endpoint("localhost:1", ca_file=path)
    settings = RegistrySettings(endpoints={"localhost:1": known})
    error = failure("localhost:1/app:v1", spool, settings)
    assert (error.code, str(path) in error.message) == ("image.tls", True)


# Refusals: no second try


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (400, "image.registry"),
        (401, "image.unauthorized"),
        (403, "image.forbidden"),
        (404, "image.not-found"),
        (418, "image.registry"),
    ],
)
def test_a_refusal_is_told_and_not_tried_again(
    server: FaultyRegistry, spool: Path, code: int, expected: str
) -> None:
    server.faults.append(faults.status(code))
    error = failure(f"{server.host}/team/app:v1", spool)
    assert (error.code, len(server.seen)) == (expected, 1)
    assert f"{server.host}/team/app" in error.message


def test_an_unknown_image_names_the_registrys_word_but_not_its_text(
    server: FaultyRegistry, spool: Path
) -> None:
    error = failure(f"{server.host}/app:absent", spool)
    assert error.code == "image.not-found"
    assert "MANIFEST_UNKNOWN" in error.message


def test_a_closed_port_is_told_at_once(spool: Path) -> None:
    error = failure(f"127.0.0.1:{free_port()}/app:v1", spool)
    assert (error.code, "Connection refused" in error.message) == ("image.tcp", True)


def test_a_name_that_does_not_resolve_is_told(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert failure("reg.invalid/app:v1", spool).code == "image.dns"


def test_a_host_that_no_resolver_takes_is_told(spool: Path) -> None:
    assert failure(f"{'a' * 64}.invalid/app:v1", spool).code == "image.dns"


def test_plain_http_on_a_tls_port_is_told(server: FaultyRegistry, spool: Path) -> None:
    strict = Endpoint(server.host, plain_http=False)
    settings = RegistrySettings(endpoints={server.host: strict})
    error = failure(f"{server.host}/app:v1", spool, settings)
    assert (error.code, "plain-http" in error.hint) == ("image.tls", True)


def test_what_speaks_no_http_is_told(spool: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_greet, args=(listener,), daemon=True).start()
        error = failure(f"127.0.0.1:{listener.getsockname()[1]}/app:v1", spool)
    assert error.code == "image.registry"


def _greet(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(b"SSH-2.0-secret\r\n")


# Digests and sizes


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


# What passes by itself


@pytest.mark.parametrize("kind", ["manifests", "blobs"])
@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_passing_failure_is_tried_again(
    server: FaultyRegistry, spool: Path, code: int, kind: str
) -> None:
    monitor = SilentMonitor()
    server.faults.append(faults.times(2, faults.status(code, kind)))
    get(f"{server.host}/app:v1", spool, monitor=monitor)
    assert [note.endswith("trying again") for note in monitor.notes] == [True, True]


def test_a_lasting_failure_ends_after_some_tries(server: FaultyRegistry, spool: Path) -> None:
    server.faults.append(faults.status(500))
    error = failure(f"{server.host}/app:v1", spool)
    assert (error.code, len(server.seen)) == ("image.registry", 4)


@pytest.mark.parametrize("end", [Handler.reset, Handler.hang_up], ids=["reset", "hang-up"])
def test_a_connection_that_breaks_is_tried_again(
    server: FaultyRegistry, spool: Path, end: object
) -> None:
    assert callable(end)
    server.faults.append(faults.times(2, end))
    get(f"{server.host}/app:v1", spool)
    server.faults[:] = [end]
    assert failure(f"{server.host}/app:v1", spool).code == "image.tcp"


@pytest.mark.parametrize(
    ("said", "waited"), [("0", True), ("7", 7.0), ("100000", 30.0), ("nonsense", True)]
)
def test_retry_after_is_honoured_within_bounds(said: str, waited: object) -> None:
    from launcher.registry.client import _seconds

    error = RegistryError("image.registry", "x", transient=True, retry_after=_seconds(said))
    assert Patience(Watch(100), SilentMonitor(), 4, lambda: 0)(error) == waited


def test_a_wait_that_the_time_limit_forbids_is_not_begun() -> None:
    error = RegistryError("image.registry", "x", transient=True, retry_after=20)
    assert Patience(Watch(10), SilentMonitor(), 4, lambda: 0)(error) is False


def test_retry_after_as_a_date_is_understood() -> None:
    import email.utils

    from launcher.registry.client import _seconds

    assert 50 < _seconds(email.utils.formatdate(time.time() + 60, usegmt=True)) <= 60


# Resuming


def test_a_truncated_blob_goes_on_where_it_broke(server: FaultyRegistry, spool: Path) -> None:
    server.faults.append(faults.times(3, faults.truncated_blobs))
    get(f"{server.host}/app:v1", spool)
    assert spooled(spool) == IMAGE.blobs
    starts = [seen.headers["Range"] for seen in server.seen if "Range" in seen.headers]
    assert starts == sorted(starts, key=lambda text: int(text[6:-1]))
    assert len(starts) == 3


def test_a_blob_that_is_always_truncated_is_told(server: FaultyRegistry, spool: Path) -> None:
    server.faults.append(faults.truncated_blobs)
    assert failure(f"{server.host}/app:v1", spool).code == "image.truncated"


def big_blob(image: SmallImage) -> tuple[str, bytes]:
    return max(image.blobs.items(), key=lambda item: len(item[1]))


def test_a_killed_pull_is_taken_up_where_it_was(server: FaultyRegistry, spool: Path) -> None:
    digest, data = big_blob(IMAGE)
    spool.mkdir()
    (spool / f"{digest[7:]}.partial").write_bytes(data[:100_000])
    get(f"{server.host}/app:v1", spool)
    assert [s.headers["Range"] for s in server.seen if "Range" in s.headers] == ["bytes=100000-"]
    assert spooled(spool) == IMAGE.blobs


@pytest.mark.parametrize(
    "left", [b"damaged" * 1000, b"x" * 300_000, b""], ids=["damaged", "longer", "empty"]
)
def test_what_a_power_cut_left_costs_a_download_at_most(
    server: FaultyRegistry, spool: Path, left: bytes
) -> None:
    digest, _ = big_blob(IMAGE)
    spool.mkdir()
    (spool / f"{digest[7:]}.partial").write_bytes(left)
    (spool / IMAGE.config_digest[7:]).write_bytes(b"\0" * len(IMAGE.blobs[IMAGE.config_digest]))
    get(f"{server.host}/app:v1", spool)
    assert spooled(spool) == IMAGE.blobs


def test_a_whole_blob_is_not_fetched_twice(server: FaultyRegistry, spool: Path) -> None:
    get(f"{server.host}/app:v1", spool)
    get(f"{server.host}/app:v1", spool)
    assert len(server.paths("blobs")) == len(IMAGE.blobs)


def test_a_server_that_ignores_ranges_is_read_from_the_start(
    server: FaultyRegistry, spool: Path
) -> None:
    digest, data = big_blob(IMAGE)
    spool.mkdir()
    (spool / f"{digest[7:]}.partial").write_bytes(data[:1000])
    server.faults.append(lambda h: h.wants("blobs") and h.answer(200, h.blob()))
    get(f"{server.host}/app:v1", spool)
    assert spooled(spool) == IMAGE.blobs


def test_a_server_that_refuses_a_range_is_read_from_the_start(
    server: FaultyRegistry, spool: Path
) -> None:
    digest, data = big_blob(IMAGE)
    spool.mkdir()
    (spool / f"{digest[7:]}.partial").write_bytes(data[:1000])
    server.faults.append(lambda h: "Range" in h.headers and h.answer(416))
    get(f"{server.host}/app:v1", spool)
    assert spooled(spool) == IMAGE.blobs


def test_what_other_images_left_is_dropped(server: FaultyRegistry, spool: Path) -> None:
    spool.mkdir()
    (spool / f"{'0' * 64}.partial").write_bytes(b"old")
    get(f"{server.host}/app:v1", spool)
    assert spooled(spool) == IMAGE.blobs


# Servers that hold us up


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "READ_TIMEOUT", 0.3)
    monkeypatch.setattr(transport, "ANSWER_TIMEOUT", 0.5)
    monkeypatch.setattr(transport, "CONNECT_TIMEOUT", 0.5)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_never_answers_is_given_up(server: FaultyRegistry, spool: Path) -> None:
    server.faults.append(faults.silent(1))
    assert failure(f"{server.host}/app:v1", spool).code == "image.timeout"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", ["manifests", "blobs"])
def test_a_body_that_trickles_is_given_up(server: FaultyRegistry, spool: Path, kind: str) -> None:
    server.faults.append(faults.trickle(kind))
    assert failure(f"{server.host}/app:v1", spool).code == "image.timeout"


@pytest.mark.usefixtures("impatient")
def test_headers_that_trickle_are_given_up(server: FaultyRegistry, spool: Path) -> None:
    def slow(handler: Handler) -> bool:
        for letter in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100:
            handler.wfile.write(bytes([letter]))
            handler.wfile.flush()
            time.sleep(0.05)
        return handler.hang_up()

    server.faults.append(slow)
    assert failure(f"{server.host}/app:v1", spool).code == "image.timeout"


@pytest.mark.usefixtures("impatient")
def test_a_handshake_that_never_ends_is_given_up(spool: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        strict = RegistrySettings(endpoints={host: Endpoint(host, plain_http=False)})
        assert failure(f"{host}/app:v1", spool, strict).code == "image.timeout"


def test_a_whole_pull_ends_at_its_time_limit(server: FaultyRegistry, spool: Path) -> None:
    server.faults.append(faults.trickle("blobs"))
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        get(f"{server.host}/app:v1", spool, timeout=0.5)
    assert time.monotonic() - start < 2


def test_a_lookup_that_hangs_does_not_hold_the_caller(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(20) and [])
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        get("reg.invalid/app:v1", spool, timeout=0.3)
    assert time.monotonic() - start < 3
    release.set()


def test_ctrl_c_leaves_at_once_and_the_next_pull_goes_on(
    server: FaultyRegistry, spool: Path
) -> None:
    server.faults.append(faults.times(1, faults.truncated_blobs))
    server.faults.append(faults.trickle("blobs"))
    watch = Watch(30)
    threading.Timer(0.5, _thread.interrupt_main).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        watch.run(
            lambda: fetch(
                Reference.parse(f"{server.host}/app:v1"),
                settings=RegistrySettings(),
                directory=spool,
                held="",
                watch=watch,
                monitor=SilentMonitor(),
            )
        )
    assert time.monotonic() - start < 6
    server.faults.clear()
    get(f"{server.host}/app:v1", spool)
    assert spooled(spool) == IMAGE.blobs


# Redirects


def test_a_blob_may_lie_elsewhere_but_the_authorization_stays_here(
    server: FaultyRegistry, spool: Path
) -> None:
    with faulty_registry() as storage:
        storage.put(IMAGE)
        bearer(server, "secret-token", f"http://{server.host}/token")
        server.faults.append(
            lambda h: (
                h.wants("blobs")
                and h.answer(307, Location=f"http://{storage.host}{h.path}?signature=secret-a")
            )
        )
        get(f"{server.host}/app:v1", spool)
        assert spooled(spool) == IMAGE.blobs
        assert len(storage.seen) == len(IMAGE.blobs)
        assert not any("Authorization" in seen.headers for seen in storage.seen)


def test_nobody_else_can_ask_for_our_credentials(server: FaultyRegistry, spool: Path) -> None:
    with faulty_registry() as thief:
        challenge = f'Bearer realm="http://{thief.host}/token"'
        thief.faults.append(lambda h: h.answer(401, WWW_Authenticate=challenge))
        server.faults.append(lambda h: h.answer(302, Location=f"http://{thief.host}{h.path}"))
        known = Endpoint(server.host, username="me", password="secret-word")
        settings = RegistrySettings(endpoints={server.host: known})
        assert failure(f"{server.host}/app:v1", spool, settings).code == "image.unauthorized"
        assert [seen.path for seen in thief.seen] == ["/v2/app/manifests/v1"]


@pytest.mark.parametrize("location", ["", "file:///etc/passwd", "http://[", "http://x:99999/"])
def test_a_redirect_to_nowhere_is_the_registrys_fault(
    server: FaultyRegistry, spool: Path, location: str
) -> None:
    server.faults.append(lambda h: h.answer(302, Location=location))
    assert failure(f"{server.host}/app:v1", spool).code == "image.registry"


def test_tls_is_never_left_by_a_redirect(tmp_path: Path, spool: Path) -> None:
    ca, certificate, key = make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with faulty_registry() as plain, faulty_registry(context) as secure:
        plain.put(IMAGE)
        secure.faults.append(lambda h: h.answer(302, Location=f"http://{plain.host}{h.path}"))
        known = Endpoint(secure.host, ca_file=ca)
        settings = RegistrySettings(endpoints={secure.host: known})
        assert failure(f"{secure.host}/app:v1", spool, settings).code == "image.tls"
        assert not plain.seen


# Mirrors and proxies


def test_mirrors_come_first_each_with_its_own_credentials(
    server: FaultyRegistry, spool: Path
) -> None:
    with faulty_registry() as mirror:
        mirror.put(IMAGE)
        challenge = 'Basic realm="a mirror"'
        basic = "Basic " + base64.b64encode(b"mirror-user:secret-word").decode()
        mirror.faults.append(
            lambda h: (
                h.headers.get("Authorization") != basic
                and h.answer(401, WWW_Authenticate=challenge)
            )
        )
        known = Endpoint(mirror.host, "cache", username="mirror-user", password="secret-word")
        get(f"{server.host}/app:v1", spool, RegistrySettings(mirrors={"*": (known,)}))
        assert not server.seen
        assert mirror.seen[-1].path.startswith("/v2/cache/app/blobs/")
        assert f"ns={urllib.parse.quote_plus(server.host)}" in mirror.seen[-1].path


def break_blobs(mirror: FaultyRegistry) -> None:
    mirror.put(IMAGE)
    mirror.blobs |= dict.fromkeys(IMAGE.blobs, b"poison")


MIRROR_FAULTS = {
    "absent": lambda mirror: mirror.manifests.clear(),
    "unauthorized": lambda mirror: mirror.faults.append(faults.status(401)),
    "failing": lambda mirror: mirror.faults.append(faults.status(500)),
    "poisoned": break_blobs,
}


@pytest.mark.parametrize("spoil", MIRROR_FAULTS.values(), ids=MIRROR_FAULTS)
def test_a_mirror_that_fails_is_passed_over_with_a_note(
    server: FaultyRegistry, spool: Path, spoil: object
) -> None:
    monitor = SilentMonitor()
    with faulty_registry() as mirror:
        assert callable(spoil)
        spoil(mirror)
        settings = RegistrySettings(mirrors={server.host: (mirror.host,)})
        get(f"{server.host}/app:v1", spool, settings, monitor=monitor)
    assert spooled(spool) == IMAGE.blobs
    assert any(note.startswith(f"mirror {mirror.host}: ") for note in monitor.notes)


def test_when_all_fail_the_registrys_error_comes_with_its_mirrors(
    server: FaultyRegistry, spool: Path
) -> None:
    server.faults.append(faults.status(403))
    dead = f"127.0.0.1:{free_port()}"
    settings = RegistrySettings(mirrors={server.host: (dead,)})
    error = failure(f"{server.host}/app:v1", spool, settings)
    assert error.code == "image.forbidden"
    assert [(m["mirror"], m["code"]) for m in error.details["mirrors"]] == [(dead, "image.tcp")]


def test_plain_http_goes_through_the_proxy_of_the_environment(
    server: FaultyRegistry, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://user:secret@{server.host}")
    known = Endpoint("reg.invalid", plain_http=True)
    settings = RegistrySettings(endpoints={"reg.invalid": known})
    get("reg.invalid/app:v1", spool, settings)
    assert server.seen[0].path == "http://reg.invalid/v2/app/manifests/v1"
    assert server.seen[0].headers["Proxy-Authorization"].startswith("Basic ")


def test_tls_goes_through_a_tunnel_of_the_proxy(
    tmp_path: Path, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with real_registry(tmp_path / "registry", tls=True) as registry:
        registry.push("app", IMAGE, "v1")
        known = Endpoint("reg.invalid", ca_file=registry.ca_file)
        settings = RegistrySettings(endpoints={"reg.invalid": known})
        with faults.tunnel(registry.port) as (proxy, asked):
            monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@{proxy}")
            get("reg.invalid/app:v1", spool, settings)
    assert spooled(spool) == IMAGE.blobs
    assert asked[0].startswith("CONNECT reg.invalid:443 ")
    assert "Proxy-Authorization: Basic" in asked[0]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_proxy_that_refuses_a_tunnel_is_told(
    server: FaultyRegistry, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://{server.host}")
    assert failure("reg.invalid/app:v1", spool).code == "image.tcp"
    gc.collect()  # http.client of Python 3.11 forgets to close what the proxy answered


# The disk


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 5 MB."""
    place = tmp_path / "tiny"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m,mode=755", "tiny", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.engine
def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(
    server: FaultyRegistry, tiny: Path
) -> None:
    server.put(make_image((os.urandom(2_000_000),)), "big")
    with pytest.raises(HostError) as caught:
        get(f"{server.host}/app:big", tiny / "blobs")
    assert caught.value.code == "host.disk-full"
    assert "are missing" in caught.value.message
    assert not server.paths("blobs")


@pytest.mark.engine
def test_a_disk_that_fills_up_on_the_way_is_told(
    server: FaultyRegistry, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from launcher.registry import blobs

    monkeypatch.setattr(blobs, "MARGIN", -10_000_000)
    server.put(make_image((os.urandom(8_000_000),)), "big")
    with pytest.raises(HostError) as caught:
        get(f"{server.host}/app:big", tiny / "blobs")
    assert caught.value.code == "host.disk-full"
