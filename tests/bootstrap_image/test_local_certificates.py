# SPDX-License-Identifier: Apache-2.0
"""update-ca-certificates adds to the host's bundle, and loses none of it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from bootstrap_image import local_certificates

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bootstrap_image.stand_in import StandIn

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
DER = b"\x30\x03\x02\x01\x07"
PEM = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(DER).decode()}\n-----END CERTIFICATE-----\n"
BEFORE = "# the host's own\n-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n"


def put(host: StandIn, name: str, data: bytes) -> Path:
    path = host.path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("/usr/local/share/ca-certificates/corp/root.crt", PEM.encode()),
        ("/etc/pki/ca-trust/source/anchors/root.pem", PEM.encode()),
        ("/etc/pki/ca-trust/source/anchors/root.der", DER),
    ],
)
def test_a_local_certificate_is_added_once_and_taken_away_with_its_file(
    host: StandIn, name: str, data: bytes
) -> None:
    put(host, BUNDLE, BEFORE.encode())
    file = put(host, name, data)
    for _ in range(2):
        assert local_certificates.main(host) == 0
        assert host.read(BUNDLE).startswith(BEFORE)
        assert host.read(BUNDLE).count(PEM) == 1
    file.unlink()
    assert local_certificates.main(host) == 0
    assert host.read(BUNDLE) == BEFORE


def test_a_file_that_is_no_certificate_changes_nothing(
    host: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    put(host, BUNDLE, BEFORE.encode())
    put(host, "/usr/local/share/ca-certificates/root.crt", b"<html>404</html>")
    assert local_certificates.main(host) == 1
    assert "root.crt" in capsys.readouterr().err
    assert host.read(BUNDLE) == BEFORE
