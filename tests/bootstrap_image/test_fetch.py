# SPDX-License-Identifier: Apache-2.0
"""Includes from a real server on the loopback that behaves badly."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import ssl
import subprocess
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from bootstrap_image import fetch, web
from bootstrap_image.include import Include
from bootstrap_image.spec import USER_DATA_LIMIT
from tests.bootstrap_image.make import SCRIPT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIN = hashlib.sha256(SCRIPT).hexdigest()


class _Handler(http.server.BaseHTTPRequestHandler):
    asked: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        name, count = self.path.split("?")[0], self.asked[self.path]
        if name == "/busy-once" and count == 1:
            self.send_error(503)
        elif name.startswith("/status/"):
            self.send_error(int(name.removeprefix("/status/")))
        elif name == "/drips-headers":
            self._drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", b"\r\n")
        elif name == "/drips-body":
            self._drip(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n", b"x", b"")
        elif name == "/moved":
            self.send_response(302)
            self.send_header("Location", "/good")
            self.end_headers()
        else:
            self._body(SCRIPT if name != "/large" else b"x" * (USER_DATA_LIMIT + 1), name)

    def _body(self, body: bytes, name: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if name == "/slow":
            _STOP.wait(20)
        self.wfile.write(body[: 5 if name == "/cut" else None])

    def _drip(self, first: bytes, drop: bytes, last: bytes) -> None:
        with contextlib.suppress(OSError):
            self.wfile.write(first)
            for _ in range(40):
                self.wfile.write(drop)
                if _STOP.wait(0.05):
                    return
            self.wfile.write(last)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


_STOP = threading.Event()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with a certificate of the loopback and its key."""
    both = str(tmp_path_factory.mktemp("tls") / "both.pem")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    subject = ("-subj", "/CN=loopback", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", both, "-out", both)
    argv = ("openssl", "req", "-x509", *curve, *subject, *files)
    subprocess.run(argv, check=True, capture_output=True)
    return both


@pytest.fixture(params=["http", "https"])
def address(
    request: pytest.FixtureRequest, certificate: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    monkeypatch.setattr(fetch, "WAITS", (0.01, 0.01))
    _Handler.asked.clear()
    _STOP.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        if request.param == "https":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            monkeypatch.setenv("SSL_CERT_FILE", certificate)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"{request.param}://127.0.0.1:{server.server_address[1]}"
        _STOP.set()
        server.shutdown()


@pytest.fixture
def fetcher(tmp_path: Path) -> fetch.Fetcher:
    return fetch.Fetcher(state=f"{tmp_path}/hatchway/bootstrap")


@pytest.mark.parametrize("name", ["/good", "/busy-once", "/moved"])
def test_what_is_there_is_fetched(address: str, fetcher: fetch.Fetcher, name: str) -> None:
    assert fetcher(Include(address + name, PIN)) == SCRIPT


def test_what_was_fetched_is_kept_for_a_boot_without_network(
    address: str, fetcher: fetch.Fetcher
) -> None:
    include = Include(f"{address}/good", PIN)
    assert fetcher(include) == fetcher(include)
    assert _Handler.asked["/good"] == 1


def test_what_has_another_hash_is_not_kept(address: str, fetcher: fetch.Fetcher) -> None:
    include = Include(f"{address}/good", "0" * 64)
    assert "not what was pinned" in include.check(fetcher(include))
    fetcher(include)
    assert _Handler.asked["/good"] == 2


@pytest.mark.parametrize(
    ("name", "said", "times"),
    [
        ("/status/401", "the server answered 401", 1),
        ("/status/403", "the server answered 403", 1),
        ("/status/404", "the server answered 404", 1),
        ("/status/500", "the server answered 500", 3),
        ("/cut", "in the middle", 3),
        ("/large", "more than 16 MiB", 1),
    ],
)
def test_a_bad_server_is_tried_within_bounds_and_said(
    address: str, fetcher: fetch.Fetcher, name: str, said: str, times: int
) -> None:
    with pytest.raises(OSError, match=said):
        fetcher(Include(f"{address}{name}?signature=s3cret", PIN))
    assert _Handler.asked[f"{name}?signature=s3cret"] == times


@pytest.mark.parametrize(
    ("name", "limit", "seconds", "said"),
    [
        ("/slow", "TIMEOUT", 0.3, "timed out"),
        ("/drips-headers", "LIMIT", 0.6, r"did not come within 0\.6 s"),
        ("/drips-body", "LIMIT", 0.6, r"did not come within 0\.6 s"),
    ],
)
def test_a_server_that_takes_its_time_is_tried_within_bounds_and_said(
    address: str,
    fetcher: fetch.Fetcher,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    limit: str,
    seconds: float,
    said: str,
) -> None:
    # Counted here: the limit may be over before a busy server has heard of it.
    tried, opened = list[str](), web.opened

    def counted(url: str, *, each: float, whole: float) -> Any:
        tried.append(url)
        return opened(url, each=each, whole=whole)

    monkeypatch.setattr(web, "opened", counted)
    monkeypatch.setattr(fetch, limit, seconds)
    with pytest.raises(OSError, match=said):
        fetcher(Include(f"{address}{name}", PIN))
    assert tried == [f"{address}{name}"] * 3


def test_nobody_listening_is_said(fetcher: fetch.Fetcher, address: str) -> None:
    with pytest.raises(OSError, match="refused"):
        fetcher(Include("http://127.0.0.1:9/x", PIN))
