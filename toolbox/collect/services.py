# SPDX-License-Identifier: Apache-2.0
"""`http`: what a service on this host answers. Nothing is asked beyond it unless it was allowed."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from toolbox.collect.item import Item, Outcome
    from toolbox.collect.sieve import Sieve


def fetch(item: Item, sieve: Sieve, *, allowed: Collection[str]) -> Outcome:
    """GET the URL, with no proxy, no redirect, and no name of another host."""
    import http.client

    parts = urlsplit(item.argument[0])
    if parts.scheme not in _PORTS or parts.username is not None:
        return sieve.outcome("refused", "expected http:// or https://, without credentials")
    host = parts.hostname or ""
    if not _is_local(host) and host not in allowed:
        return sieve.outcome("refused", f"{host} is not this host, and was not allowed")
    port = parts.port or _PORTS[parts.scheme]
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection(host, port)
    try:
        with _connected(host, port, sieve, tls=parts.scheme == "https") as stream:
            connection.sock = stream
            connection.request("GET", path or "/", headers={"Connection": "close"})
            answer = connection.getresponse()
            status = sieve.drain(answer.read1)
    except ConnectionRefusedError:
        return sieve.outcome("absent", f"nothing listens on {host}:{port}")
    except (OSError, http.client.HTTPException) as error:
        if sieve.seconds_left <= 0:
            return sieve.outcome("timeout")
        return sieve.outcome("failed", f"{host}: {error}")
    if status == "ok" and sieve.seconds_left <= 0:
        return sieve.outcome("timeout")
    if status == "ok" and answer.status != 200:
        return sieve.outcome("failed", f"HTTP {answer.status}", exit_status=answer.status)
    return sieve.outcome(status)


_PORTS: Final = {"http": 80, "https": 443}
_PATIENCE: Final = 10.0  # seconds for one answer of a service on this host


@contextlib.contextmanager
def _connected(host: str, port: int, sieve: Sieve, *, tls: bool) -> Iterator[socket.socket]:
    """A connection that ends with the item's time, however slowly the other side goes on."""
    import ssl

    patience = min(sieve.seconds_left, _PATIENCE)
    with contextlib.ExitStack() as stack:
        plain = socket.create_connection((host, port), timeout=patience)
        stream = stack.enter_context(plain)
        # Of its own: TLS takes the other one over.
        handle = stack.enter_context(plain.dup())
        watchdog = threading.Timer(sieve.seconds_left, _end, (handle,))
        watchdog.start()
        stack.callback(watchdog.cancel)
        if tls:
            # kubelet's own certificate is signed by itself; what we ask of is on this host.
            trust = ssl._create_unverified_context()  # noqa: S323, SLF001
            stream = stack.enter_context(trust.wrap_socket(plain, server_hostname=host))
        yield stream


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
