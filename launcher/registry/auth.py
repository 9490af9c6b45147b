# SPDX-License-Identifier: Apache-2.0
"""Answers to a registry's 401: basic, or a bearer token from the place that it names."""

from __future__ import annotations

import base64
import contextlib
import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlencode

import msgspec

from launcher.registry import failures
from launcher.registry.transport import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterable

    from launcher.registry.endpoint import Endpoint
    from launcher.registry.transport import Answer, Transport

TOKEN_LIMIT: Final = 1024 * 1024
_CHALLENGE_LIMIT: Final = 8192
_PARAMETER = re.compile(r'([a-z_]+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))', re.IGNORECASE)
# A header value that cannot smuggle another header; also keeps http.client from quoting it.
_TOKEN = re.compile(r"[\x21-\x7e]+")


class Challenge(NamedTuple):
    """One WWW-Authenticate header: the scheme in lower case, and its parameters."""

    scheme: str
    parameters: dict[str, str]


class _Token(msgspec.Struct):
    token: str = ""
    access_token: str = ""


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """Read WWW-Authenticate headers, one challenge each, as registries send them."""
    challenges = []
    for header in headers:
        scheme, _, rest = header[:_CHALLENGE_LIMIT].strip().partition(" ")
        found = {m[1].lower(): m[2] or m[3] or "" for m in _PARAMETER.finditer(rest)}
        challenges.append(Challenge(scheme.lower(), found))
    return challenges


def authorization(
    challenges: Iterable[Challenge],
    endpoint: Endpoint,
    place: str,
    scope: str,
    transport: Transport,
) -> str:
    """Give the Authorization header that answers the challenges; raises `RegistryError`."""
    by_scheme = {challenge.scheme: challenge.parameters for challenge in challenges}
    if "bearer" in by_scheme:
        return "Bearer " + _bearer(by_scheme["bearer"], endpoint, place, scope, transport)
    if "basic" not in by_scheme:
        raise failures.unauthorized(place, "credentials of a kind that is not known")
    if not endpoint.username:
        raise failures.unauthorized(place, "credentials, and there are none")
    return _basic(endpoint)


def _bearer(
    parameters: dict[str, str], endpoint: Endpoint, place: str, scope: str, transport: Transport
) -> str:
    realm = parameters.get("realm", "")
    _check_realm(realm, endpoint, place)
    query = {"scope": parameters.get("scope") or scope}
    if parameters.get("service"):
        query["service"] = parameters["service"]
    if endpoint.identity_token:
        answer = _exchange(realm, query, endpoint, transport)
    else:
        answer = _ask(realm, query, endpoint, transport)
    with contextlib.closing(answer):
        return _read_token(answer, place)


def _check_realm(realm: str, endpoint: Endpoint, place: str) -> None:
    if parse_url(realm).scheme == "http" and not endpoint.uses_http():
        message = f"{place}: the registry wants credentials sent over plain HTTP"
        raise failures.RegistryError("image.tls", message, "Do not use it, or set a mirror.")


def _ask(realm: str, query: dict[str, str], endpoint: Endpoint, transport: Transport) -> Answer:
    secret = ""
    if endpoint.username:
        query = {**query, "account": endpoint.username}
        secret = _basic(endpoint)
    joint = "&" if "?" in realm else "?"
    return transport.get(realm + joint + urlencode(query), {}, secret)


def _exchange(
    realm: str, query: dict[str, str], endpoint: Endpoint, transport: Transport
) -> Answer:
    form = {
        **query,
        "grant_type": "refresh_token",
        "refresh_token": endpoint.identity_token,
        "client_id": "hatchway",
    }
    return transport.post(realm, urlencode(form).encode())


def _read_token(answer: Answer, place: str) -> str:
    if answer.status != 200:
        raise failures.from_status(answer.status, place, b"", retry_after=0)
    try:
        document = msgspec.json.decode(answer.read(TOKEN_LIMIT), type=_Token)
    except (ValueError, RecursionError):
        raise failures.nonsense(place, "the token that it hands out cannot be read") from None
    token = document.token or document.access_token
    if not _TOKEN.fullmatch(token):
        raise failures.nonsense(place, "the token that it hands out is none")
    return token


def _basic(endpoint: Endpoint) -> str:
    pair = f"{endpoint.username}:{endpoint.password}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
