# SPDX-License-Identifier: Apache-2.0
"""What a step finds in its environment: little, and the same at every boot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from bootstrap_image.spec import HOST

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# /etc is the host's: its own certificates come first, as it may have a company's among them.
_CERTIFICATES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/lib/hatchway/ca-certificates.crt",
)


def environment(instance_id: str, extra: Mapping[str, str]) -> dict[str, str]:
    """For scripts and for what modules run; `extra` is the launcher's: proxies."""
    found = {
        "PATH": PATH,
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "HOST": HOST,
        "INSTANCE_ID": instance_id.replace("\0", ""),
        "container": "hatchway",
        # systemctl sees that our root is not that of PID 1, and would do nothing.
        "SYSTEMD_IGNORE_CHROOT": "1",
    }
    if certificates := next((path for path in _CERTIFICATES if _is_file(path)), ""):
        found |= {"SSL_CERT_FILE": certificates, "CURL_CA_BUNDLE": certificates}
    return {**found, **extra}


def _is_file(path: str) -> bool:
    try:
        return Path(path).stat().st_size > 0
    except OSError:
        return False
