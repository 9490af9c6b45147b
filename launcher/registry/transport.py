# SPDX-License-Identifier: Apache-2.0
"""The door to the network: single HTTP requests, bounded in time, that leak no credentials."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from launcher import VERSION
from launcher.registry.proxy import Proxy, proxy_for

if TYPE_CHECKING:
    import http.client
    import socket
    import ssl
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from launcher.registry.watch import Watch

CONNECT_TIMEOUT: Final = 10.0  # seconds, TLS handshake included
ANSWER_TIMEOUT: Final = 30.0  # seconds until the last header has come
READ_TIMEOUT: Final = 20.0  # seconds without a byte, and the window in which the rate is judged
MIN_RATE: Final = 1024  # bytes per second; below it a server only holds us up
CHUNK: Final = 256 * 1024
MAX_REDIRECTS: Final = 5
REDIRECTS: Final = (301, 302, 303, 307, 308)
# Our OpenSSL may come from a bundle, whose built-in paths say nothing about this host.
SYSTEM_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class RefusedError(Exception):
    """The server wants something that would be unsafe; the text says what, without a URL."""

    def __init__(self, text: str, code: str = "image.registry") -> None:
        super().__init__(text)
        self.code = code


class Answer:
    """An HTTP answer whose body has not been read; close it.

    `foreign`: a redirect led to another origin, whose wishes are not those of the registry.
    """

    def __init__(
        self,
        connection: http.client.HTTPConnection,
        response: http.client.HTTPResponse,
        sock: socket.socket,
        watch: Watch,
    ) -> None:
        self.status = response.status
        self.foreign = False
        self._connection = connection
        self._response = response
        self._sock = sock
        self._watch = watch

    def header(self, name: str) -> str:
        return self._response.headers.get(name) or ""

    def headers(self, name: str) -> list[str]:
        return self._response.headers.get_all(name) or []

    def read(self, limit: int) -> bytes:
        """Read the body; `ValueError` when it has more than `limit` bytes."""
        body = bytearray()
        for chunk in self.chunks():
            body += chunk
            if len(body) > limit:
                raise ValueError(limit)
        return bytes(body)

    def chunks(self) -> Iterator[bytes]:
        """Give the body in pieces; `EOFError` when it ends early, `TimeoutError` when it stalls."""
        length = self.header("Content-Length")
        # read1 of Python 3.11 does not count for us, and would wait for a byte after the last.
        left = int(length) if length.isdecimal() else -1
        clock = self._watch.clock
        since, got = clock(), 0
        while left:
            self._watch.remaining()
            chunk = self._response.read1(CHUNK if left < 0 else min(left, CHUNK))
            if not chunk and left > 0:
                raise EOFError
            if not chunk:
                return
            left -= len(chunk) if left > 0 else 0
            got += len(chunk)
            yield chunk
            if clock() - since >= READ_TIMEOUT:
                if got < MIN_RATE * READ_TIMEOUT:
                    raise TimeoutError
                since, got = clock(), 0

    def close(self) -> None:
        self._watch.remove(self._sock)
        self._response.close()
        self._connection.close()


class Transport:
    """Sends requests; knows whom to trust and which proxy to use."""

    def __init__(
        self,
        watch: Watch,
        *,
        ca_file: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._watch = watch
        self._ca_file = ca_file
        self._environ = os.environ if environ is None else environ
        self._context: ssl.SSLContext | None = None

    def get(self, url: str, headers: Mapping[str, str], authorization: str = "") -> Answer:
        """Ask for `url` and follow redirects; the authorization goes to its own origin only."""
        target = origin = parse_url(url)
        for _ in range(MAX_REDIRECTS + 1):
            secret = authorization if _same_origin(origin, target) else ""
            answer = self._send(target, headers, secret)
            answer.foreign = not _same_origin(origin, target)
            if answer.status not in REDIRECTS:
                return answer
            answer.close()
            target = _redirected(target, answer.header("Location"))
        raise RefusedError("it redirects in circles")

    def post(self, url: str, form: bytes) -> Answer:
        """Send a form; an answer that redirects is given back as it is."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._send(parse_url(url), headers, "", form)

    def _send(
        self, url: SplitResult, headers: Mapping[str, str], secret: str, form: bytes | None = None
    ) -> Answer:
        proxy = self._proxy(url)
        connection = self._connect(url, proxy)
        sock: socket.socket = connection.sock
        all_headers = {
            "User-Agent": f"hatchway/{VERSION}",
            "Accept-Encoding": "identity",
            "Connection": "close",
            **headers,
            **({"Authorization": secret} if secret else {}),
        }
        target = _target(url)
        if proxy and url.scheme == "http":
            target = f"http://{url.netloc.rpartition('@')[2]}{target}"
            all_headers |= _proxy_header(proxy)
        try:
            self._watch.add(sock, ANSWER_TIMEOUT)
            sock.settimeout(min(READ_TIMEOUT, self._watch.remaining()))
            connection.request("POST" if form is not None else "GET", target, form, all_headers)
            answer = Answer(connection, connection.getresponse(), sock, self._watch)
        except BaseException:
            connection.close()
            if self._watch.remove(sock):
                raise TimeoutError from None
            raise
        try:
            self._watch.relax(sock)  # http.client takes headers that were cut off for whole ones
        except TimeoutError:
            answer.close()
            raise
        return answer

    def _connect(self, url: SplitResult, proxy: Proxy | None) -> http.client.HTTPConnection:
        import http.client

        host, port = _host_port(url)
        timeout = min(CONNECT_TIMEOUT, self._watch.remaining())
        where = (proxy.host, proxy.port) if proxy else (host, port)
        connection: http.client.HTTPConnection
        if url.scheme == "https":
            connection = http.client.HTTPSConnection(*where, timeout=timeout, context=self._trust())
            if proxy:
                connection.set_tunnel(host, port, _proxy_header(proxy))
        else:
            connection = http.client.HTTPConnection(*where, timeout=timeout)
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection

    def _proxy(self, url: SplitResult) -> Proxy | None:
        try:
            return proxy_for(url.scheme, *_host_port(url), self._environ)
        except ValueError as error:
            raise RefusedError(str(error)) from None

    def _trust(self) -> ssl.SSLContext:
        if self._context is None:
            try:
                self._context = trust(self._ca_file)
            except OSError as error:  # ssl.SSLError is one
                why = "holds no certificate" if error.strerror is None else error.strerror
                what = f"its ca-file {self._ca_file} cannot be used: {why}"
                raise RefusedError(what, "image.tls") from None
        return self._context


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Make a context that trusts the system's certificates, and those in `ca_file` (PEM).

    Raises `OSError` when `ca_file` cannot be read or holds no certificate.
    """
    import ssl

    context = ssl.create_default_context()
    if not context.get_ca_certs() and not _finds_certificates(ssl.get_default_verify_paths()):
        bundle = next((path for path in SYSTEM_BUNDLES if os.path.exists(path)), None)  # noqa: PTH110
        if bundle:
            context.load_verify_locations(bundle)
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


def _finds_certificates(paths: Any) -> bool:
    return bool(paths.cafile or (paths.capath and any(os.scandir(paths.capath))))


def _host_port(url: SplitResult) -> tuple[str, int]:
    return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)


def _same_origin(one: SplitResult, other: SplitResult) -> bool:
    return one.scheme == other.scheme and _host_port(one) == _host_port(other)


def parse_url(text: str) -> SplitResult:
    """Split an http or https URL that a server may have made up; `RefusedError` for others."""
    try:
        url = urlsplit(text)
        url.port  # noqa: B018 - looked at here, where it may be malformed
    except ValueError:
        raise RefusedError("it names a place that is no URL") from None
    if url.scheme not in ("http", "https") or not url.hostname:
        raise RefusedError("it names a place that is no URL")
    return url


def _redirected(source: SplitResult, location: str) -> SplitResult:
    try:
        joined = urljoin(source.geturl(), location)
    except ValueError:
        raise RefusedError("it redirects to nowhere") from None
    target = parse_url(joined)
    if source.scheme == "https" and target.scheme == "http":
        raise RefusedError("it redirects from TLS to plain HTTP", "image.tls")
    return target


def _target(url: SplitResult) -> str:
    """Give the request target, with what http.client would refuse quoted."""
    path = quote(url.path or "/", safe="/%:=&~+!$,;'()*@")
    return path + (f"?{quote(url.query, safe='/%:=&~+!$,;()*@?')}" if url.query else "")


def _proxy_header(proxy: Proxy) -> dict[str, str]:
    return {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
