# SPDX-License-Identifier: Apache-2.0
"""Where images come from, as the settings say it: pure data."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from typing import TYPE_CHECKING, Final, Self

from launcher.errors import SettingsError
from launcher.references import DOCKER_HUB

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The name that people write is not the host that answers.
DOCKER_HUB_HOST: Final = "registry-1.docker.io"
EVERY: Final = "*"  # the key of mirrors for all registries
_NAME = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<host>(?:\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::\d{1,5})?)"
    r"(?P<prefix>(?:/[a-z0-9._-]+)*)/?",
    re.ASCII | re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """One server that is asked for images.

    `host` is host[:port]; `prefix` goes before the repository (a cache such as `harbor/dockerhub`).
    `plain_http` None means: HTTP for loopback hosts without a `ca_file`, HTTPS for all others.
    `ca_file` is trusted besides the system's certificates. Secrets are kept out of `repr`.
    """

    host: str
    prefix: str = ""
    plain_http: bool | None = None
    ca_file: Path | None = None
    username: str = ""
    password: str = dataclasses.field(default="", repr=False)
    identity_token: str = dataclasses.field(default="", repr=False)

    @classmethod
    def parse(cls, name: str) -> Self:
        """Read `[http[s]://]host[:port][/prefix]`; `SettingsError` when it is something else."""
        match = _NAME.fullmatch(name)
        if match is None:
            shown = name.rpartition("@")[2]  # what is before it may be a password
            message = f"{shown[:80]!r} is no registry endpoint"
            raise SettingsError("settings.invalid", message, "Write it as host[:port][/prefix].")
        plain = {"http": True, "https": False}.get((match["scheme"] or "").lower())
        return cls(match["host"].lower(), match["prefix"].strip("/"), plain)

    @property
    def name(self) -> str:
        """Host and prefix: what messages and auth files call it."""
        return f"{self.host}/{self.prefix}" if self.prefix else self.host

    def base_url(self) -> str:
        host = DOCKER_HUB_HOST if self.host == DOCKER_HUB else self.host
        return f"{'http' if self.uses_http() else 'https'}://{host}"

    def uses_http(self) -> bool:
        if self.plain_http is not None:
            return self.plain_http
        return self.ca_file is None and is_loopback(self.host)

    def repository(self, name: str) -> str:
        """Give what this endpoint calls a repository."""
        return f"{self.prefix}/{name}" if self.prefix else name


@dataclasses.dataclass(frozen=True, slots=True)
class RegistrySettings:
    """What the settings say of registries.

    `endpoints`: by registry, or by the name that a list of mirrors gives; `*` for every other one.
    `mirrors`: registry (or `*`) -> endpoints or their names, asked in order before the registry.
    `authfile`: read instead of the usual places.
    """

    endpoints: Mapping[str, Endpoint] = dataclasses.field(default_factory=dict)
    mirrors: Mapping[str, tuple[Endpoint | str, ...]] = dataclasses.field(default_factory=dict)
    authfile: Path | None = None

    def route(self, registry: str) -> tuple[Endpoint, ...]:
        """Give the endpoints for a registry in order: its mirrors, then itself."""
        mirrors = self.mirrors.get(registry, self.mirrors.get(EVERY, ()))
        known = (self.endpoint(each) if isinstance(each, str) else each for each in mirrors)
        return (*known, self.endpoint(registry))

    def endpoint(self, name: str) -> Endpoint:
        """Give the endpoint with what is set for it, for its host, or for all."""
        bare = Endpoint.parse(name)
        found = next(
            (self.endpoints[key] for key in (name, bare.name, bare.host) if key in self.endpoints),
            None,
        )
        if found is None and EVERY in self.endpoints:
            # Credentials are one registry's: they never go to whoever is not named.
            every = self.endpoints[EVERY]
            found = Endpoint(EVERY, plain_http=every.plain_http, ca_file=every.ca_file)
        if found is None:
            return bare
        plain = found.plain_http if bare.plain_http is None else bare.plain_http
        return dataclasses.replace(found, host=bare.host, prefix=bare.prefix, plain_http=plain)


def is_loopback(host: str) -> bool:
    """Tell whether `host[:port]` is this machine: localhost, 127.0.0.0/8, ::1."""
    name = host.partition("]")[0][1:] if host.startswith("[") else host.partition(":")[0]
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
