# SPDX-License-Identifier: Apache-2.0
"""Which proxy the environment names for a host: pure."""

from __future__ import annotations

import base64
import ipaddress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from launcher.registry.endpoint import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping


class Proxy(NamedTuple):
    """An HTTP proxy; `authorization` is a header value, or empty."""

    host: str
    port: int
    authorization: str


def proxy_for(scheme: str, host: str, port: int, environ: Mapping[str, str]) -> Proxy | None:
    """Give the proxy for a URL, or None; loopback is never asked for through one.

    Raises `ValueError` for a proxy that is no HTTP proxy.
    """
    setting = _setting(f"{scheme}_proxy", environ)
    bracketed = f"[{host}]" if ":" in host else host
    if (
        not setting
        or is_loopback(bracketed)
        or _excluded(host, port, _setting("no_proxy", environ))
    ):
        return None
    found = _parsed(setting)
    if found is None:
        name = f"{scheme.upper()}_PROXY"
        message = f"{name} names no http:// proxy; in its credentials # is %23, / %2F and ? %3F"
        raise ValueError(message)
    return found


def _parsed(setting: str) -> Proxy | None:
    try:
        parts = urlsplit(setting if "://" in setting else f"http://{setting}")
        port = parts.port or 80
    except ValueError:  # in words that repeat a part of it, which may be the password
        return None
    # A password with such a character in it ends the host: what is left would be another place.
    cut = parts.query or parts.fragment or "@" in parts.path
    if parts.scheme != "http" or not parts.hostname or cut:
        return None
    authorization = ""
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    return Proxy(parts.hostname, port, authorization)


def _setting(name: str, environ: Mapping[str, str]) -> str:
    return environ.get(name) or environ.get(name.upper(), "")


def _excluded(host: str, port: int, no_proxy: str) -> bool:
    """Match as Go's programs do: `*`, names and their subdomains, addresses, networks, ports."""
    return any(
        _matches(host, port, pattern.strip().lower())
        for pattern in no_proxy.split(",")
        if pattern.strip()
    )


def _matches(host: str, port: int, pattern: str) -> bool:
    if pattern == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        pass  # one of the two is a name
    name, colon, number = pattern.partition(":")
    if colon and number != str(port):
        return False
    name = name.removeprefix("*").removeprefix(".")
    return host == name or host.endswith(f".{name}")
