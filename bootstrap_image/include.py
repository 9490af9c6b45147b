# SPDX-License-Identifier: Apache-2.0
"""`#include`: addresses, each with the hash of what it is to give.

    #include
    https://example.com/setup.sh sha256-9f86d0...
    https://example.com/more.yaml#sha256-60303a...   (a form that cloud-init reads too)

Without a hash, whoever controls that server or the way to it would run code as root here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import re
import urllib.parse
from collections.abc import Callable
from typing import TYPE_CHECKING

from bootstrap_image.findings import printable

if TYPE_CHECKING:
    from bootstrap_image.findings import Report

_PIN = re.compile(r"sha256-([0-9a-fA-F]{64})")

# Given the address, gives what is there; `OSError` with a sentence when it cannot.
Fetch = Callable[["Include"], bytes]


class NotFetchedError(OSError):
    """Nothing is fetched now: what is there is not known, and no fault of the user data."""


@dataclasses.dataclass(frozen=True, slots=True)
class Include:
    """One address to fetch."""

    url: str
    sha256: str

    @property
    def shown(self) -> str:
        """The address without what may be a secret in it: a signed query."""
        parts = urllib.parse.urlsplit(self.url)
        return printable(f"{parts.scheme}://{parts.netloc}{parts.path}")

    def check(self, data: bytes) -> str:
        """Why `data` is not what was pinned, or nothing."""
        found = hashlib.sha256(data).hexdigest()
        if hmac.compare_digest(found, self.sha256):
            return ""
        return f"what came has sha256-{found}, not what was pinned; nothing of it is used"


def parse(text: str, path: str, report: Report) -> list[Include]:
    """The addresses of an include file; lines that begin with # are comments."""
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    found = [
        _line(_without_prefix(line), f"{path}: line {number}", report) for number, line in lines
    ]
    return [include for include in found if include]


def _without_prefix(line: str) -> str:
    # cloud-init also takes the first address on the line of `#include` itself.
    return re.sub(r"^#include(-once)?(?![\w-])", "", line, flags=re.IGNORECASE).strip()


def _line(line: str, path: str, report: Report) -> Include | None:
    if not line or line.startswith("#"):
        return None
    words = line.split()
    url, pin = _split(words[0])
    pin = words[1] if len(words) == 2 else pin
    if len(words) > 2:
        report.error(path, "expected an address and its sha256-, nothing more")
        return None
    problem = _problem(url)
    match = _PIN.fullmatch(pin)
    if not problem and not match:
        problem = (
            "an include needs `sha256-` and 64 hex digits after its address: without it, whoever "
            "controls that server runs code as root here"
        )
    if problem or not match:
        report.error(path, problem)
        return None
    return Include(url, match[1].lower())


def _split(word: str) -> tuple[str, str]:
    url, _, fragment = word.partition("#")
    return url, fragment


def _problem(url: str) -> str:
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "this is no address"
    if parts.scheme not in ("http", "https") or not host:
        return "only http:// and https:// addresses can be included"
    if not re.fullmatch(r"[!-~]+", url):
        return "an address has no blanks and only ASCII signs; encode others with %"
    if parts.username is not None or parts.password is not None:
        return "an address must not carry a name or password"
    return ""
