# SPDX-License-Identifier: Apache-2.0
"""Redirects, mirrors and proxies: no credentials go astray."""

from __future__ import annotations

import base64
import gc
import ssl
import urllib.parse
from typing import TYPE_CHECKING

import pytest

from launcher.monitor import SilentMonitor
from launcher.registry.endpoint import Endpoint, RegistrySettings
from tests.launcher import registry_faults as faults
from tests.launcher.real_registry import (
    free_port,
    make_certificates,
    real_registry,
)
from tests.launcher.registry.case import IMAGE, bearer, failure, get, spooled
from tests.launcher.registry_faults import FaultyRegistry, faulty_registry

if TYPE_CHECKING:
    from pathlib import Path


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
