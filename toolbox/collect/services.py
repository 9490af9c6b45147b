# SPDX-License-Identifier: Apache-2.0
"""`http`: what a service on this host answers. Nothing is asked beyond it unless it was allowed."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection

    from toolbox.collect.item import Item, Outcome
    from toolbox.collect.sieve import Sieve


def fetch(item: Item, sieve: Sieve, *, allowed: Collection[str]) -> Outcome:
    """GET the URL, with no proxy, no redirect, and no name of another host."""
    import http.client
    import ssl

    parts = urlsplit(item.argument[0])
    if parts.scheme not in ("http", "https") or parts.username is not None:
        return sieve.outcome("refused", "expected http:// or https://, without credentials")
    host = parts.hostname or ""
    if not _is_local(host) and host not in allowed:
        return sieve.outcome("refused", f"{host} is not this host, and was not allowed")
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    timeout = min(item.timeout, _PATIENCE)
    connection: Any
    if parts.scheme == "https":
        # kubelet's own certificate is signed by itself; what we ask of is on this host.
        trust = ssl._create_unverified_context()  # noqa: S323, SLF001
        connection = http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=trust)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=timeout)
    try:
        connection.request("GET", path or "/", headers={"Connection": "close"})
        answer = connection.getresponse()
        status = sieve.drain(answer.read1)
    except ConnectionRefusedError:
        return sieve.outcome("absent", f"nothing listens on {host}:{parts.port or 'its port'}")
    except (OSError, http.client.HTTPException) as error:
        return sieve.outcome("failed", f"{host}: {error}")
    finally:
        connection.close()
    if status == "ok" and answer.status != 200:
        return sieve.outcome("failed", f"HTTP {answer.status}", exit_status=answer.status)
    return sieve.outcome(status)


_PATIENCE: Final = 10.0  # seconds for one answer of a service on this host


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
