# SPDX-License-Identifier: Apache-2.0
"""[runtime] and [registries]: which engine runs the containers, and where images come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from launcher.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class RuntimeSettings(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """[runtime]: which engine, where its socket is, and in which containerd namespace.

    `selinux_type` is the domain of containers that work on the host; empty: what the host has.
    """

    name: str = "auto"
    socket: str = ""
    namespace: str = "hatchway"
    selinux_type: Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9_]*\Z")] = ""


class RegistrySettings(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """[registries."HOST"]: how one registry, or one mirror, is reached.

    `mirrors` name endpoints that are asked before the registry; each may have a table of its own.
    `"*"` stands for every registry that has no table; credentials in it would go to anyone.
    """

    plain_http: bool | None = None
    ca_file: str = ""
    mirrors: list[str] = []
    username: str = ""
    password: str = ""
    identity_token: str = ""

    def has_secret(self) -> bool:
        return bool(self.password or self.identity_token)


def findings(registries: Mapping[str, RegistrySettings]) -> Iterator[Finding]:
    """What the types cannot say."""
    if "*" in registries and registries["*"].has_secret():
        message = "credentials for every registry would go to whoever is named: name the registry"
        yield Finding('registries."*"', message)
