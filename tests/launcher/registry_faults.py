# SPDX-License-Identifier: Apache-2.0
"""A registry on loopback that misbehaves as told, over real sockets."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import json
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from tests.launcher.small_images import SmallImage


@dataclasses.dataclass
class Seen:
    """A request that came: its method, its path with query, its headers, its body."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def registry(self) -> FaultyRegistry:
        return cast("FaultyServer", self.server).registry

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        seen = Seen(self.command, self.path, dict(self.headers.items()), body)
        self.registry.seen.append(seen)
        if not any(fault(self) for fault in self.registry.faults):
            self.registry.serve(self)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> bool:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        return True

    def hang_up(self) -> bool:
        """End the connection as it stands."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        return True

    def reset(self) -> bool:
        """End it with a TCP reset."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.connection.close()
        return True

    def blob(self) -> bytes:
        return self.registry.blobs[self.path.rpartition("/")[2].partition("?")[0]]

    def wants(self, kind: str) -> bool:
        return f"/{kind}/" in self.path

    def log_message(self, *_: Any) -> None:
        pass


class FaultyServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    registry: FaultyRegistry

    def handle_error(self, *_: Any) -> None:
        """Clients that hang up are the point of these tests."""


class FaultyRegistry:
    """Serves what was put into it, unless a fault comes first; keeps the requests in `seen`."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.faults: list[Callable[[Handler], bool]] = []
        self.seen: list[Seen] = []
        self.manifests: dict[str, tuple[bytes, str]] = {}
        self.blobs: dict[str, bytes] = {}

    def put(self, image: SmallImage, tag: str = "v1") -> None:
        self.manifests[tag] = self.manifests[image.digest] = image.manifest, image.media_type
        self.blobs |= image.blobs

    def paths(self, kind: str) -> list[str]:
        return [seen.path for seen in self.seen if f"/{kind}/" in seen.path]

    def serve(self, handler: Handler) -> None:
        last = handler.path.rpartition("/")[2].partition("?")[0]
        if handler.wants("manifests") and last in self.manifests:
            body, kind = self.manifests[last]
            handler.answer(200, body, Content_Type=kind)
        elif handler.wants("blobs") and last in self.blobs:
            self._serve_blob(handler, self.blobs[last])
        else:
            error = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "secret-of-the-server"}]}
            handler.answer(404, json.dumps(error).encode())

    def _serve_blob(self, handler: Handler, blob: bytes) -> None:
        wanted = handler.headers.get("Range")
        if wanted is None:
            handler.answer(200, blob)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-"))
        place = f"bytes {start}-{len(blob) - 1}/{len(blob)}"
        handler.answer(206, blob[start:], Content_Range=place)


@contextlib.contextmanager
def faulty_registry(context: ssl.SSLContext | None = None) -> Iterator[FaultyRegistry]:
    server = FaultyServer(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.registry = FaultyRegistry(f"127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def tunnel(port: int) -> Iterator[tuple[str, list[str]]]:
    """Run a proxy that leads every CONNECT to `port`: its host, and what it was asked for."""
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(
                        target=_tunnel, args=(client, port, asked), daemon=True
                    ).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _tunnel(client: socket.socket, port: int, asked: list[str]) -> None:
    with client, socket.create_connection(("127.0.0.1", port)) as upstream:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(1)
        asked.append(head.decode())
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        back = threading.Thread(target=_pump, args=(upstream, client), daemon=True)
        back.start()
        _pump(client, upstream)
        back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def times(count: int, fault: Callable[[Handler], bool]) -> Callable[[Handler], bool]:
    """Let a fault happen so many times, then no more."""
    left = [count]
    lock = threading.Lock()

    def limited(handler: Handler) -> bool:
        with lock:
            if not left[0]:
                return False
            left[0] -= 1
        if fault(handler):
            return True
        with lock:
            left[0] += 1
        return False

    return limited


def status(code: int, kind: str = "v2", **headers: str) -> Callable[[Handler], bool]:
    return lambda handler: handler.wants(kind) and handler.answer(code, b"{}", **headers)


def truncated_blobs(handler: Handler) -> bool:
    """Send half of what was announced."""
    if not handler.wants("blobs") or len(handler.blob()) < 1000:
        return False
    blob = handler.blob()
    start = int((handler.headers.get("Range") or "bytes=0-")[6:].rstrip("-"))
    rest = blob[start:]
    place = f"bytes {start}-{len(blob) - 1}/{len(blob)}"
    half = rest[: len(rest) // 2]
    code = 206 if start else 200
    handler.answer(code, half, Content_Length=str(len(rest)), Content_Range=place)
    return handler.hang_up()


def trickle(kind: str) -> Callable[[Handler], bool]:
    """Send a byte now and then, for ever."""

    def fault(handler: Handler) -> bool:
        if not handler.wants(kind):
            return False
        handler.answer(200, b"", Content_Length="100000")
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.05)
        return handler.hang_up()

    return fault


def silent(seconds: float) -> Callable[[Handler], bool]:
    def fault(handler: Handler) -> bool:
        time.sleep(seconds)
        return handler.hang_up()

    return fault
