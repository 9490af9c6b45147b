# SPDX-License-Identifier: Apache-2.0
"""Debian's docker-registry on loopback: plain, with TLS of a private CA, with a password."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import ssl
import subprocess
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.launcher.small_images import SmallImage

# The registry takes bcrypt only; this is "a-password" of "somebody".
PASSWORD = "a-password"
USER = "somebody"
HASH = "$2b$04$fjEJUQc5ySxBbuSZ0YUfguPLWyZvP0jJBlfsXQ2I4auo1B8ZOjhKa"


class RealRegistry:
    """A running registry at `host` (host:port), to which images can be pushed."""

    def __init__(self, port: int, ca_file: Path | None, *, auth: bool) -> None:
        self.host = f"localhost:{port}"
        self.port = port
        self.ca_file = ca_file
        self._auth = auth

    def push(self, repository: str, image: SmallImage, *tags: str) -> None:
        for digest, data in image.blobs.items():
            answer = self.request("POST", f"/v2/{repository}/blobs/uploads/")
            place = answer.headers["Location"].partition(f":{self.port}")[2]
            self.request("PUT", f"{place}&digest={digest}", data)
        for tag in tags:
            self.push_manifest(repository, tag, image.manifest, image.media_type)

    def push_manifest(self, repository: str, tag: str, body: bytes, media_type: str) -> None:
        headers = {"Content-Type": media_type}
        self.request("PUT", f"/v2/{repository}/manifests/{tag}", body, headers)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> http.client.HTTPResponse:
        connection = self._connect()
        secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        extra = {"Authorization": f"Basic {secret}"} if self._auth else {}
        with contextlib.closing(connection):
            connection.request(method, path, body, {**(headers or {}), **extra})
            answer = connection.getresponse()
            text = answer.read()
        assert answer.status < 300, (method, path, answer.status, text)
        return answer

    def _connect(self) -> http.client.HTTPConnection:
        if self.ca_file is None:
            return http.client.HTTPConnection("localhost", self.port, timeout=10)
        trust = ssl.create_default_context(cafile=self.ca_file)
        return http.client.HTTPSConnection("localhost", self.port, timeout=10, context=trust)


@contextlib.contextmanager
def real_registry(
    directory: Path, *, tls: bool = False, auth: bool = False
) -> Iterator[RealRegistry]:
    """Run a registry that keeps its images below `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    with held_port() as port, _running(directory, port, tls=tls, auth=auth) as registry:
        yield registry


@contextlib.contextmanager
def _running(directory: Path, port: int, *, tls: bool, auth: bool) -> Iterator[RealRegistry]:
    http_settings: dict[str, Any] = {"addr": f"127.0.0.1:{port}", "secret": "a test's"}
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(directory / "images")}},
        "http": http_settings,
    }
    ca_file = None
    if tls:
        ca_file, certificate, key = make_certificates(directory)
        http_settings["tls"] = {"certificate": str(certificate), "key": str(key)}
    if auth:
        config["auth"] = {"htpasswd": {"realm": "a test", "path": str(_htpasswd(directory))}}
    settings = directory / "config.yml"
    settings.write_text(json.dumps(config))  # JSON is YAML
    with (directory / "log").open("wb") as log:
        child = subprocess.Popen(["docker-registry", "serve", settings], stdout=log, stderr=log)
        try:
            wait_for_port(port)
            yield RealRegistry(port, ca_file, auth=auth)
        finally:
            child.terminate()
            child.wait(10)


@contextlib.contextmanager
def held_port() -> Iterator[int]:
    """A port that nobody gets by chance meanwhile, and whoever asks for it can listen on."""
    with socket.socket() as sock:
        # As Go's servers have it: both may bind the port while but one of them listens, socket(7).
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        yield int(sock.getsockname()[1])


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for_port(port: int) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


def make_certificates(directory: Path) -> tuple[Path, Path, Path]:
    """Make a private CA, and a certificate of it for localhost: CA, certificate, key."""
    ca, ca_key = directory / "ca.crt", directory / "ca.key"
    certificate, key = directory / "server.crt", directory / "server.key"
    request, extensions = directory / "server.csr", directory / "extensions"
    extensions.write_text("subjectAltName=DNS:localhost,DNS:reg.invalid,IP:127.0.0.1\n")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl("req", "-x509", *curve, "-days", "2", "-subj", "/CN=a test's CA",
             "-keyout", ca_key, "-out", ca)  # fmt: skip
    _openssl("req", *curve, "-subj", "/CN=localhost", "-keyout", key, "-out", request)
    _openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial",
             "-days", "2", "-extfile", extensions, "-out", certificate)  # fmt: skip
    return ca, certificate, key


def _openssl(*argv: str | Path) -> None:
    subprocess.run(["openssl", *argv], check=True, capture_output=True, timeout=60)


def _htpasswd(directory: Path) -> Path:
    path = directory / "htpasswd"
    path.write_text(f"{USER}:{HASH}\n")
    return path
