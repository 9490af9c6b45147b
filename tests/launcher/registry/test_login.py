# SPDX-License-Identifier: Apache-2.0
"""Logging in: tokens, credentials, certificates."""

from __future__ import annotations

import base64
import dataclasses
import urllib.parse
from typing import TYPE_CHECKING

import pytest

from launcher.registry.endpoint import Endpoint, RegistrySettings
from tests.launcher.real_registry import (
    PASSWORD,
    USER,
    real_registry,
)
from tests.launcher.registry.case import IMAGE, bearer, failure, get, spooled

if TYPE_CHECKING:
    from pathlib import Path

    from tests.launcher.registry_faults import FaultyRegistry


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
