# SPDX-License-Identifier: Apache-2.0
"""update-ca-certificates and update-ca-trust: what an administrator put beside the host's bundle.

Debian's program makes the bundle anew from packages that only the image has, and would replace
the host's. Here the bundle stays as it is, and has the local certificates at its end.
"""

from __future__ import annotations

import base64
import sys
from typing import TYPE_CHECKING, Final

from bootstrap_image.host import Host, ModuleError
from bootstrap_image.modules import ca_certs

if TYPE_CHECKING:
    from pathlib import Path

_ANCHORS: Final = (
    "/usr/local/share/ca-certificates",
    "/etc/pki/ca-trust/source/anchors",
    "/etc/pki/trust/anchors",
)
_OWNER: Final = "local certificates"


def main(host: Host | None = None) -> int:
    """The exit status; options of both programs change nothing here."""
    try:
        update(host or Host())
    except (ModuleError, OSError) as error:
        sys.stderr.write(f"update-ca-certificates: {error}\n")
        return 1
    return 0


def update(host: Host) -> None:
    found = [pem for place in _ANCHORS for pem in _below(host.path(place))]
    ca_certs.add(host, list(dict.fromkeys(found)), owner=_OWNER)


def _below(place: Path) -> list[str]:
    files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else []
    return [pem for path in files for pem in _certificates(path)]


def _certificates(path: Path) -> list[str]:
    data = path.read_bytes()
    if data[:1] == b"\x30":  # DER, which Red Hat's program takes as well
        text = base64.b64encode(data).decode()
        data = f"-----BEGIN CERTIFICATE-----{text}-----END CERTIFICATE-----".encode()
    found = ca_certs.certificates(data.decode(errors="replace"))
    if not found or not all(found):
        raise ModuleError(f"{path}: this is no certificate; nothing was changed")
    return found
