# SPDX-License-Identifier: Apache-2.0
"""Credentials from auth files, endpoints from settings, proxies from the environment."""

from __future__ import annotations

import base64
import json
import traceback
from typing import TYPE_CHECKING

import pytest

from launcher.errors import ImageError, SettingsError
from launcher.registry import auth, credentials
from launcher.registry.endpoint import Endpoint, RegistrySettings
from launcher.registry.proxy import proxy_for

if TYPE_CHECKING:
    from pathlib import Path


def encoded(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def find(path: Path, name: str) -> tuple[str, str, str]:
    found = credentials.find(name, named=path, environ={})
    return found.username, found.password, found.identity_token


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("reg.example:5000", "reg.example:5000/team/app"),
        ("https://reg.example", "reg.example/app"),
        ("https://reg.example/v2/", "reg.example/app"),
        ("reg.example/team", "reg.example/team/app"),
        ("reg.example/team/app", "reg.example/team/app"),
        ("https://index.docker.io/v1/", "docker.io/library/alpine"),
        ("docker.io", "docker.io/library/alpine"),
    ],
)
def test_a_key_covers_what_it_names(tmp_path: Path, key: str, name: str) -> None:
    path = write(tmp_path / "auth.json", {"auths": {key: encoded("me", "a:word")}})
    assert find(path, name) == ("me", "a:word", "")


@pytest.mark.parametrize("key", ["reg.example", "reg.example:5000/te", "xreg.example:5000"])
def test_a_key_covers_nothing_else(tmp_path: Path, key: str) -> None:
    path = write(tmp_path / "auth.json", {"auths": {key: encoded("me", "word")}})
    assert find(path, "reg.example:5000/team/app") == ("", "", "")


def test_the_longest_key_wins(tmp_path: Path) -> None:
    keys = {"r.example": "a", "r.example/team/app": "c", "r.example/team": "b"}
    path = write(tmp_path / "f", {"auths": {key: encoded(u, "x") for key, u in keys.items()}})
    assert find(path, "r.example/team/app")[0] == "c"
    assert find(path, "r.example/team/other")[0] == "b"
    assert find(path, "r.example/app")[0] == "a"


@pytest.mark.parametrize(
    "entry", [{"identitytoken": "token"}, {**encoded("x", ""), "identitytoken": "token"},
              encoded("<token>", "token")]
)  # fmt: skip
def test_an_identity_token_is_found(tmp_path: Path, entry: dict[str, str]) -> None:
    path = write(tmp_path / "auth.json", {"auths": {"reg.example": entry}})
    assert find(path, "reg.example/app") == ("", "", "token")


@pytest.mark.parametrize("content", ["", "{}", '{"auths": {}}', '{"auths": {"r.example": {}}}'])
def test_a_file_without_an_entry_gives_none(tmp_path: Path, content: str) -> None:
    assert find(write(tmp_path / "auth.json", content), "r.example/app") == ("", "", "")


BAD = ["secret-garbage", "[]", '{"auths": "secret"}', "\x00", "[" * 100_000,
       '{"auths": {"r.example": {"auth": "secret!"}}}',
       '{"auths": {"r.example": {"auth": "c2VjcmV0"}}}']  # fmt: skip


@pytest.mark.parametrize("content", BAD, ids=range(len(BAD)))
def test_a_malformed_file_that_was_named_is_an_error_without_its_content(
    tmp_path: Path, content: str
) -> None:
    path = write(tmp_path / "auth.json", content)
    with pytest.raises(SettingsError) as caught:
        find(path, "r.example/app")
    assert str(path) in caught.value.message
    assert "secret" not in json.dumps(caught.value.as_json())
    environ = {"DOCKER_CONFIG": str(write(tmp_path / "docker/config.json", content).parent)}
    found = credentials.find("r.example/app", named=None, environ={**environ, "HOME": "/nowhere"})
    assert len(found.notes) == 1
    assert "secret" not in found.notes[0]


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        find(tmp_path / "absent", "r.example/app")
    environ = {"REGISTRY_AUTH_FILE": str(tmp_path / "absent")}
    with pytest.raises(SettingsError, match="does not exist"):
        credentials.find("r.example/app", named=None, environ=environ)


def test_the_first_file_that_knows_the_registry_wins(tmp_path: Path) -> None:
    write(tmp_path / "docker/config.json", {"auths": {"other.example": encoded("no", "x")}})
    write(tmp_path / "home/.docker/config.json", {"auths": {"r.example": encoded("home", "x")}})
    write(tmp_path / "run/containers/auth.json", {"auths": {"r.example": encoded("run", "x")}})
    environ = {
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        "HOME": str(tmp_path / "home"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
    }
    assert credentials.find("r.example/app", named=None, environ=environ).username == "home"
    del environ["HOME"]
    assert credentials.find("r.example/app", named=None, environ=environ).username == "run"


@pytest.mark.parametrize(
    "content",
    [{"credHelpers": {"r.example": "cloud"}}, {"credsStore": "x", "auths": {"r.example": {}}}],
)
def test_a_credential_helper_is_noted_not_run(tmp_path: Path, content: object) -> None:
    path = write(tmp_path / "auth.json", content)
    found = credentials.find("r.example/app", named=path, environ={})
    assert "credential helper" in found.notes[0]
    assert not credentials.find("else.example/app", named=path, environ={}).notes


# Endpoints


@pytest.mark.parametrize(
    ("name", "url", "repository"),
    [
        ("reg.example:5000", "https://reg.example:5000", "app"),
        ("http://reg.example", "http://reg.example", "app"),
        ("https://localhost:5000", "https://localhost:5000", "app"),
        ("localhost:5000", "http://localhost:5000", "app"),
        ("127.0.0.2", "http://127.0.0.2", "app"),
        ("[::1]:5000", "http://[::1]:5000", "app"),
        ("[2001:db8::1]", "https://[2001:db8::1]", "app"),
        ("harbor.example/docker/hub/", "https://harbor.example", "docker/hub/app"),
        ("docker.io", "https://registry-1.docker.io", "app"),
    ],
)
def test_an_endpoint_knows_its_address(name: str, url: str, repository: str) -> None:
    endpoint = Endpoint.parse(name)
    assert (endpoint.base_url(), endpoint.repository("app")) == (url, repository)


@pytest.mark.parametrize("name", ["", "ftp://x", "a b", "me:word@reg.example", "reg.example?x"])
def test_what_is_no_endpoint_is_a_settings_error(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Endpoint.parse(name)
    assert "word" not in caught.value.message


def test_a_mirror_by_name_has_what_is_set_for_it(tmp_path: Path) -> None:
    known = Endpoint("m.example", plain_http=True, username="me", password="word")
    settings = RegistrySettings(
        endpoints={"m.example": known, "*": Endpoint("*", ca_file=tmp_path, username="not-this")},
        mirrors={"r.example": ("m.example/cache", "https://n.example"), "*": ("m.example",)},
    )
    first, second, last = settings.route("r.example")
    assert (first.name, first.username, first.base_url()) == (
        "m.example/cache",
        "me",
        "http://m.example",
    )
    assert (second.name, second.ca_file, second.username) == ("n.example", tmp_path, "")
    assert last.name == "r.example"
    assert [each.name for each in settings.route("docker.io")] == ["m.example", "docker.io"]


def test_secrets_are_in_no_repr() -> None:
    endpoint = Endpoint("r.example", username="me", password="word", identity_token="token")
    assert "word" not in repr(endpoint)
    assert "token='" not in repr(endpoint)
    assert "word" not in repr(credentials.Found("me", "word"))


# Proxies


ENVIRON = {
    "HTTPS_PROXY": "http://me:a%20word@proxy.example:3128",
    "NO_PROXY": "internal.example, .svc,10.0.0.0/8,reg.example:5000",
}


@pytest.mark.parametrize(
    ("host", "port", "direct"),
    [
        ("reg.example", 443, False),
        ("reg.example", 5000, True),
        ("internal.example", 443, True),
        ("a.internal.example", 443, True),
        ("xinternal.example", 443, False),
        ("reg.svc", 443, True),
        ("10.1.2.3", 443, True),
        ("11.1.2.3", 443, False),
        ("localhost", 443, True),
        ("127.0.0.9", 443, True),
        ("::1", 443, True),
    ],
)
def test_no_proxy_is_understood_as_engines_do(host: str, port: int, *, direct: bool) -> None:
    proxy = proxy_for("https", host, port, ENVIRON)
    assert direct is (proxy is None)
    if proxy:
        secret = base64.b64encode(b"me:a word").decode()
        assert (proxy.host, proxy.port, proxy.authorization) == (
            "proxy.example",
            3128,
            f"Basic {secret}",
        )


def test_each_scheme_has_its_proxy() -> None:
    assert proxy_for("http", "reg.example", 80, ENVIRON) is None
    assert proxy_for("http", "reg.example", 80, {"http_proxy": "p.example"}) is not None


@pytest.mark.parametrize(
    "setting",
    [
        "http://me:s3cr3t#x@proxy.example:3128",
        "http://me:s3cr3t/x@proxy.example:3128",
        "http://me:s3cr3t?x@proxy.example:3128",
        "http://me:31#s3cr3t@proxy.example:3128",
        "http://me:31/s3cr3t@proxy.example:3128",
        "http://me:31?s3cr3t@proxy.example:3128",
        "http://me:s3cr3t@[proxy.example:3128",
        "http://me:s3cr3t@[proxy.example]:3128",
        "http://me:s3cr3t\u2100@proxy.example:3128",
        "http://proxy.example:s3cr3t",
    ],
)
def test_a_proxy_that_is_no_url_is_refused_without_a_word_of_it(setting: str) -> None:
    with pytest.raises(ValueError, match="HTTPS_PROXY") as caught:
        proxy_for("https", "reg.example", 443, {"https_proxy": setting})
    assert "s3cr3t" not in "".join(traceback.format_exception(caught.value))


def test_a_proxy_of_another_kind_is_refused_without_its_secret() -> None:
    with pytest.raises(ValueError, match="HTTPS_PROXY") as caught:
        proxy_for("https", "reg.example", 443, {"https_proxy": "socks5://me:word@p.example"})
    assert "word" not in str(caught.value)


# Challenges


@pytest.mark.parametrize(
    ("header", "scheme", "parameters"),
    [
        ('Bearer realm="https://a/t",service="s"', "bearer",
         {"realm": "https://a/t", "service": "s"}),
        ('bearer Realm="x", scope="a:b:pull,push"', "bearer",
         {"realm": "x", "scope": "a:b:pull,push"}),
        ("Basic realm=x", "basic", {"realm": "x"}),
        ("Basic", "basic", {}),
        ("", "", {}),
    ],
)  # fmt: skip
def test_a_challenge_is_read(header: str, scheme: str, parameters: dict[str, str]) -> None:
    assert auth.parse_challenges([header]) == [auth.Challenge(scheme, parameters)]


def test_a_kind_of_login_that_is_not_known_is_told() -> None:
    challenges = auth.parse_challenges(["Negotiate"])
    with pytest.raises(ImageError) as caught:
        auth.authorization(challenges, Endpoint("r.example"), "r.example/app", "", None)  # type: ignore[arg-type]
    assert caught.value.code == "image.unauthorized"
