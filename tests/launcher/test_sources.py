# SPDX-License-Identifier: Apache-2.0
"""Metadata services, played by a real HTTP server on loopback with their manners."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

import pytest

from launcher import sources
from launcher.errors import HostError, SettingsError
from launcher.sources import aliyun, aws, gce, openstack
from launcher.sources import service as service_module
from launcher.sources.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from launcher.sources.base import Found

SCRIPT = b"#!/bin/sh\necho secret\n"
Answer = tuple[int, bytes]


class Cloud(BaseHTTPRequestHandler):
    """Answers from `pages`, and remembers what it was asked."""

    pages: ClassVar[dict[str, Answer]] = {}
    needs: ClassVar[dict[str, str]] = {}
    flaky: ClassVar[list[int]] = []
    asked: ClassVar[list[tuple[str, str]]] = []

    def _answer(self) -> None:
        self.asked.append((self.command, self.path))
        if self.flaky:
            self._say(self.flaky.pop(0), b"")
            return
        wrong = any(self.headers.get(name) != value for name, value in self.needs.items())
        if self.command == "GET" and wrong:
            self._say(403, b"")
            return
        self._say(*self.pages.get(f"{self.command} {self.path}", (404, b"")))

    do_GET = _answer  # noqa: N815 - the name that http.server wants
    do_PUT = _answer  # noqa: N815

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def cloud(
    pages: Mapping[str, Answer],
    *,
    needs: Mapping[str, str] | None = None,
    flaky: tuple[int, ...] = (),
) -> Iterator[Service]:
    Cloud.pages, Cloud.needs = dict(pages), dict(needs or {})
    Cloud.flaky, Cloud.asked = list(flaky), []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        yield Service("a cloud", address, limit=30, sleep=lambda _seconds: None)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


EC2 = {
    "PUT /latest/api/token": (200, b"t0ken"),
    "GET /latest/meta-data/instance-id": (200, b"i-1"),
    "GET /latest/user-data": (200, SCRIPT),
}
GCE = "GET /computeMetadata/v1/instance"
PROJECT = "GET /computeMetadata/v1/project"


@pytest.mark.parametrize(
    ("read", "pages", "needs"),
    [
        (aliyun.read, EC2, {"X-aliyun-ecs-metadata-token": "t0ken"}),
        (aws.read, EC2, {"X-aws-ec2-metadata-token": "t0ken"}),
        (
            gce.read,
            {f"{GCE}/id": (200, b"i-1"), f"{GCE}/attributes/user-data": (200, SCRIPT)},
            {"Metadata-Flavor": "Google"},
        ),
        (
            openstack.read,
            {
                "GET /openstack/latest/meta_data.json": (200, b'{"uuid": "i-1"}'),
                "GET /openstack/latest/user_data": (200, SCRIPT),
            },
            {},
        ),
    ],
    ids=["aliyun", "aws", "gce", "openstack"],
)
def test_each_service_is_asked_in_its_own_way(
    read: Callable[[Service], Found], pages: dict[str, Answer], needs: dict[str, str]
) -> None:
    with cloud(pages, needs=needs) as service:
        found = read(service)
    assert (found.instance_id, found.data) == ("i-1", SCRIPT)
    assert "secret" not in repr(found)


def test_the_startup_script_of_google_stands_beside_user_data() -> None:
    own = {
        f"{GCE}/attributes/user-data": (200, b"#cloud-config\n"),
        f"{GCE}/attributes/startup-script": (200, SCRIPT),
    }
    with cloud(own) as service:
        found = gce.read(service)
    assert (found.data, found.scripts) == (b"#cloud-config\n", {"startup-script": SCRIPT})
    assert found.undone == {}
    assert "secret" not in repr(found)


def test_a_startup_script_of_the_project_is_that_of_a_machine_which_has_none() -> None:
    of_project = {f"{PROJECT}/attributes/startup-script": (200, b"echo one without a first line")}
    with cloud(of_project) as service:
        found = gce.read(service)
    # Google has bash run it.
    assert found.scripts == {"startup-script": b"#!/bin/bash\necho one without a first line"}
    own = {f"{GCE}/attributes/startup-script": (200, SCRIPT)}
    with cloud(of_project | own) as service:
        assert gce.read(service).scripts == {"startup-script": SCRIPT}


def test_a_startup_script_that_would_have_to_be_fetched_is_told_of() -> None:
    with cloud({f"{GCE}/attributes/startup-script-url": (200, b"gs://bucket/s3cret")}) as service:
        found = gce.read(service)
    assert list(found.undone) == ["startup-script-url"]
    assert "s3cret" not in str(found)


def test_a_service_without_tokens_is_asked_plainly() -> None:
    pages = {key: value for key, value in EC2.items() if not key.startswith("PUT")}
    with cloud(pages) as service:
        assert aliyun.read(service).data == SCRIPT


@pytest.mark.parametrize("read", sources.TABLE.values(), ids=sources.TABLE.keys())
def test_no_user_data_is_no_error(read: Callable[[Service], Found]) -> None:
    with cloud({}) as service:
        assert read(service).data == b""


def test_what_passes_by_itself_is_asked_again() -> None:
    with cloud(EC2, flaky=(500, 503, 429)) as service:
        assert aws.read(service).data == SCRIPT


@pytest.mark.parametrize("status", [302, 401, 403])
def test_a_refusal_or_a_redirect_is_told_at_once_and_not_followed(status: int) -> None:
    with (
        cloud({"PUT /latest/api/token": (status, b"")}) as service,
        pytest.raises(HostError, match=f"status {status}") as caught,
    ):
        aws.read(service)
    assert caught.value.code == "host.metadata"
    assert len(Cloud.asked) == 1


def test_a_service_that_is_not_there_is_given_up_within_the_limit() -> None:
    service = Service("a cloud", "http://127.0.0.1:1", limit=1, sleep=lambda _seconds: None)
    ticks = iter(range(100))
    clocked = Service(service.name, service.address, 1, lambda: float(next(ticks)), service.sleep)
    with pytest.raises(HostError, match="refused"):
        clocked.get("/latest/user-data")


@contextlib.contextmanager
def answering(*pieces: bytes, pause: float = 0.0) -> Iterator[Service]:
    """A service that says these pieces to whoever connects, with pauses, and hangs up."""
    over = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            with contextlib.suppress(OSError):
                for piece in pieces:
                    self.wfile.write(piece)
                    if over.wait(pause):
                        return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        try:
            yield Service("a cloud", f"http://127.0.0.1:{server.server_address[1]}", limit=0.1)
        finally:
            over.set()
            server.shutdown()


HEAD = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 100\r\n\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        (HEAD, *[b"X: y\r\n"] * 50, LENGTH, b"x" * 100),
        (HEAD, LENGTH, *[b"x"] * 100),
        (*HEAD.decode(), LENGTH, b"x" * 100),
    ],
    ids=["headers", "body", "status line"],
)
def test_a_service_that_drips_is_not_waited_for(
    pieces: tuple[bytes | str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "READ_LIMIT", 0.5)
    dripped = [piece.encode() if isinstance(piece, str) else piece for piece in pieces]
    with (
        answering(*dripped, pause=0.1) as service,
        pytest.raises(HostError, match=r"it did not answer within 0\.5 s"),
    ):
        service.get("/latest/user-data")


@pytest.mark.parametrize(
    "pieces", [(HEAD, LENGTH, SCRIPT), (HEAD, LENGTH[:8])], ids=["body", "headers"]
)
def test_what_is_cut_off_is_not_taken_for_all_of_it(pieces: tuple[bytes, ...]) -> None:
    with (
        answering(*pieces) as service,
        pytest.raises(HostError, match="closed the connection in the middle"),
    ):
        service.get("/latest/user-data")


def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with cloud(EC2) as service:
        assert aws.read(service).data == SCRIPT


def test_an_unknown_source_is_refused_and_none_is_nothing() -> None:
    with pytest.raises(SettingsError, match="there is no source"):
        sources.read("nowhere")
    assert sources.read("none").data == b""
