# SPDX-License-Identifier: Apache-2.0
"""What a registry refuses for good is told at once; what passes by itself is tried again."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from launcher.monitor import SilentMonitor
from launcher.registry.endpoint import Endpoint, RegistrySettings
from launcher.registry.failures import RegistryError
from launcher.registry.retry import Patience
from launcher.registry.watch import Watch
from tests.launcher import registry_faults as faults
from tests.launcher.real_registry import (
    free_port,
)
from tests.launcher.registry.case import failure, get
from tests.launcher.registry_faults import FaultyRegistry, Handler

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (400, "image.registry"),
        (401, "image.unauthorized"),
        (403, "image.forbidden"),
        (404, "image.not-found"),
        (418, "image.registry"),
    ],
)
def test_a_refusal_is_told_and_not_tried_again(
    server: FaultyRegistry, spool: Path, code: int, expected: str
) -> None:
    server.faults.append(faults.status(code))
    error = failure(f"{server.host}/team/app:v1", spool)
    assert (error.code, len(server.seen)) == (expected, 1)
    assert f"{server.host}/team/app" in error.message


def test_an_unknown_image_names_the_registrys_word_but_not_its_text(
    server: FaultyRegistry, spool: Path
) -> None:
    error = failure(f"{server.host}/app:absent", spool)
    assert error.code == "image.not-found"
    assert "MANIFEST_UNKNOWN" in error.message


def test_a_closed_port_is_told_at_once(spool: Path) -> None:
    error = failure(f"127.0.0.1:{free_port()}/app:v1", spool)
    assert (error.code, "Connection refused" in error.message) == ("image.tcp", True)


def test_a_name_that_does_not_resolve_is_told(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert failure("reg.invalid/app:v1", spool).code == "image.dns"


def test_a_host_that_no_resolver_takes_is_told(spool: Path) -> None:
    assert failure(f"{'a' * 64}.invalid/app:v1", spool).code == "image.dns"


def test_plain_http_on_a_tls_port_is_told(server: FaultyRegistry, spool: Path) -> None:
    strict = Endpoint(server.host, plain_http=False)
    settings = RegistrySettings(endpoints={server.host: strict})
    error = failure(f"{server.host}/app:v1", spool, settings)
    assert (error.code, "plain-http" in error.hint) == ("image.tls", True)


def test_what_speaks_no_http_is_told(spool: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_greet, args=(listener,), daemon=True).start()
        error = failure(f"127.0.0.1:{listener.getsockname()[1]}/app:v1", spool)
    assert error.code == "image.registry"


def _greet(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(b"SSH-2.0-secret\r\n")


@pytest.mark.parametrize("kind", ["manifests", "blobs"])
@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_passing_failure_is_tried_again(
    server: FaultyRegistry, spool: Path, code: int, kind: str
) -> None:
    monitor = SilentMonitor()
    server.faults.append(faults.times(2, faults.status(code, kind)))
    get(f"{server.host}/app:v1", spool, monitor=monitor)
    assert [note.endswith("trying again") for note in monitor.notes] == [True, True]


def test_a_lasting_failure_ends_after_some_tries(server: FaultyRegistry, spool: Path) -> None:
    server.faults.append(faults.status(500))
    error = failure(f"{server.host}/app:v1", spool)
    assert (error.code, len(server.seen)) == ("image.registry", 4)


@pytest.mark.parametrize("end", [Handler.reset, Handler.hang_up], ids=["reset", "hang-up"])
def test_a_connection_that_breaks_is_tried_again(
    server: FaultyRegistry, spool: Path, end: object
) -> None:
    assert callable(end)
    server.faults.append(faults.times(2, end))
    get(f"{server.host}/app:v1", spool)
    server.faults[:] = [end]
    assert failure(f"{server.host}/app:v1", spool).code == "image.tcp"


@pytest.mark.parametrize(
    ("said", "waited"), [("0", True), ("7", 7.0), ("100000", 30.0), ("nonsense", True)]
)
def test_retry_after_is_honoured_within_bounds(said: str, waited: object) -> None:
    from launcher.registry.client import _seconds

    error = RegistryError("image.registry", "x", transient=True, retry_after=_seconds(said))
    assert Patience(Watch(100), SilentMonitor(), 4, lambda: 0)(error) == waited


def test_a_wait_that_the_time_limit_forbids_is_not_begun() -> None:
    error = RegistryError("image.registry", "x", transient=True, retry_after=20)
    assert Patience(Watch(10), SilentMonitor(), 4, lambda: 0)(error) is False


def test_retry_after_as_a_date_is_understood() -> None:
    import email.utils

    from launcher.registry.client import _seconds

    assert 50 < _seconds(email.utils.formatdate(time.time() + 60, usegmt=True)) <= 60
