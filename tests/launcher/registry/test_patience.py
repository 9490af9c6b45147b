# SPDX-License-Identifier: Apache-2.0
"""Servers that hold us up are given up in bounded time."""

from __future__ import annotations

import _thread
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from launcher.monitor import SilentMonitor
from launcher.references import Reference
from launcher.registry import transport
from launcher.registry.endpoint import Endpoint, RegistrySettings
from launcher.registry.pull import fetch
from launcher.registry.watch import Watch
from tests.launcher import registry_faults as faults
from tests.launcher.registry.case import IMAGE, failure, get, spooled

if TYPE_CHECKING:
    from pathlib import Path

    from tests.launcher.registry_faults import FaultyRegistry, Handler


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "READ_TIMEOUT", 0.3)
    monkeypatch.setattr(transport, "ANSWER_TIMEOUT", 0.5)
    monkeypatch.setattr(transport, "CONNECT_TIMEOUT", 0.5)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_never_answers_is_given_up(server: FaultyRegistry, spool: Path) -> None:
    server.faults.append(faults.silent(1))
    assert failure(f"{server.host}/app:v1", spool).code == "image.timeout"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", ["manifests", "blobs"])
def test_a_body_that_trickles_is_given_up(server: FaultyRegistry, spool: Path, kind: str) -> None:
    server.faults.append(faults.trickle(kind))
    assert failure(f"{server.host}/app:v1", spool).code == "image.timeout"


@pytest.mark.usefixtures("impatient")
def test_headers_that_trickle_are_given_up(server: FaultyRegistry, spool: Path) -> None:
    def slow(handler: Handler) -> bool:
        for letter in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100:
            handler.wfile.write(bytes([letter]))
            handler.wfile.flush()
            time.sleep(0.05)
        return handler.hang_up()

    server.faults.append(slow)
    assert failure(f"{server.host}/app:v1", spool).code == "image.timeout"


@pytest.mark.usefixtures("impatient")
def test_a_handshake_that_never_ends_is_given_up(spool: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        strict = RegistrySettings(endpoints={host: Endpoint(host, plain_http=False)})
        assert failure(f"{host}/app:v1", spool, strict).code == "image.timeout"


def test_a_whole_pull_ends_at_its_time_limit(server: FaultyRegistry, spool: Path) -> None:
    server.faults.append(faults.trickle("blobs"))
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        get(f"{server.host}/app:v1", spool, timeout=0.5)
    assert time.monotonic() - start < 20


def test_a_lookup_that_hangs_does_not_hold_the_caller(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(60) and [])
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        get("reg.invalid/app:v1", spool, timeout=0.3)
    assert time.monotonic() - start < 20
    release.set()


def test_ctrl_c_leaves_at_once_and_the_next_pull_goes_on(
    server: FaultyRegistry, spool: Path
) -> None:
    server.faults.append(faults.times(1, faults.truncated_blobs))
    server.faults.append(faults.trickle("blobs"))
    watch = Watch(30)
    threading.Timer(0.5, _thread.interrupt_main).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        watch.run(
            lambda: fetch(
                Reference.parse(f"{server.host}/app:v1"),
                settings=RegistrySettings(),
                directory=spool,
                held="",
                watch=watch,
                monitor=SilentMonitor(),
            )
        )
    assert time.monotonic() - start < 20
    server.faults.clear()
    get(f"{server.host}/app:v1", spool)
    assert spooled(spool) == IMAGE.blobs
