# SPDX-License-Identifier: Apache-2.0
"""ca_certs: certificates that the host trusts, in the bundles that its programs read.

These hosts have no update-ca-certificates. A private registry's own certificate is what people
bring; containerd reads the bundle when it starts.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from bootstrap_image.host import ModuleError
from bootstrap_image.module import Module, Params

if TYPE_CHECKING:
    from bootstrap_image.host import Host
    from bootstrap_image.table import Table

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
# Readers of PEM skip what stands between two certificates.
_BEGIN, _END = "# hatchway: begin", "# hatchway: end"


def _read(config: Table) -> Params | None:
    found = [read for key in ("ca_certs", "ca-certs") if (read := _table(config, key))]
    if not found:
        return None
    return {
        "trusted": [pem for each in found for pem in each["trusted"]],
        "alone": any(each["alone"] for each in found),
    }


def _table(config: Table, key: str) -> Params | None:
    table = config.table(key)
    alone = table.flag("remove_defaults") | table.flag("remove-defaults")
    trusted = list[str]()
    for number, text in enumerate(table.texts("trusted")):
        pems = certificates(text)
        if not pems or not all(pems):
            table.error(f"trusted[{number}]", "this is no certificate in PEM")
        trusted += [pem for pem in pems if pem]
    table.close()
    return {"trusted": trusted, "alone": alone} if trusted or alone else None


def certificates(text: str) -> list[str]:
    """All that stand in `text`; an empty one for what only looks like a certificate."""
    return [_plain(match[1]) for match in _PEM.finditer(text)]


def _plain(body: str) -> str:
    """A certificate in lines of 64, or nothing when it is none: DER begins with a SEQUENCE."""
    text = "".join(body.split())
    try:
        good = base64.b64decode(text, validate=True)[:1] == b"\x30"
    except binascii.Error:
        good = False
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    middle = "\n".join(lines)
    return f"-----BEGIN CERTIFICATE-----\n{middle}\n-----END CERTIFICATE-----" if good else ""


def _act(params: Params, host: Host) -> None:
    add(host, params["trusted"], alone=params["alone"])


def add(host: Host, trusted: list[str], *, alone: bool = False, owner: str = "") -> None:
    """Put certificates into every bundle of the host, in place of the owner's earlier ones."""
    there = {host.real(path): path for path in reversed(_BUNDLES) if host.exists(path)}
    if not there:
        raise ModuleError(f"the host has no bundle of certificates: none of {', '.join(_BUNDLES)}")

    def write(path: str) -> None:
        before = "" if alone else host.read(path)
        host.write(path, bundle(before, trusted, owner).encode())
        host.say(f"{path} has {len(trusted)} more; services read it when they start")

    host.each(sorted(there), write)


def bundle(text: str, trusted: list[str], owner: str = "") -> str:
    """The bundle with ours at its end; twice the same changes nothing."""
    begin, end = (f"{mark} {owner}".rstrip() for mark in (_BEGIN, _END))
    before, _, rest = text.partition(f"{begin}\n")
    after = rest.partition(f"{end}\n")[2].rstrip("\n")
    ours = "\n".join([begin, *trusted, end]) if trusted or not owner else ""
    return "\n".join(part for part in (before.rstrip("\n"), after, ours) if part) + "\n"


def _describe(params: Params) -> list[str]:
    how = "alone" if params["alone"] else "as well"
    return [f"trust {len(params['trusted'])} certificates {how}"]


MODULE = Module("ca_certs", _read, _act, _describe)
