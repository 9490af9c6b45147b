# SPDX-License-Identifier: Apache-2.0
"""Fetch what `#include` names, within bounds, and keep it: its hash says that it never changes.

So a node that boots again needs no network for it, and `#include` equals `#include-once`.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bootstrap_image.files import Directory
from bootstrap_image.spec import STATE, USER_DATA_LIMIT

if TYPE_CHECKING:
    from bootstrap_image.include import Include
    from bootstrap_image.signals import Signals

TIMEOUT: Final = 10.0  # seconds without any byte
LIMIT: Final = 60.0  # seconds for one attempt: a server that drips must not hold the boot
WAITS: Final = (1.0, 2.0, 4.0)  # seconds between attempts
_CHUNK: Final = 1 << 16


class Fetcher:
    """Calls as `include.Fetch` wants."""

    def __init__(self, signals: Signals | None = None, state: str = STATE) -> None:
        self._signals = signals
        place = Path(state)
        self._base, self._names = place.parent.parent, (*place.parts[-2:], "includes")

    def __call__(self, address: Include) -> bytes:
        if (data := self._kept(address)) is not None:
            return data
        data = self._fetch(address)
        if not address.check(data):
            self._keep(address, data)
        return data

    def _fetch(self, address: Include) -> bytes:
        import http.client  # only those pay for it who include anything

        for wait in (*WAITS, None):
            try:
                return _get(address.url)
            except (OSError, http.client.HTTPException, ValueError) as error:
                if wait is None or _final(error) or self._ending():
                    raise OSError(_sentence(error)) from error
            time.sleep(wait)
        raise AssertionError

    def _ending(self) -> bool:
        return self._signals is not None and self._signals.ending()

    def _kept(self, address: Include) -> bytes | None:
        try:
            with Directory.open(self._base, *self._names) as directory:
                data = directory.read(address.sha256, limit=USER_DATA_LIMIT + 1)
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == address.sha256 else None

    def _keep(self, address: Include, data: bytes) -> None:
        try:
            with Directory.open(self._base, *self._names) as directory:
                directory.write_bytes(address.sha256, data)
        except OSError:
            return  # it is a cache


def _get(url: str) -> bytes:
    from bootstrap_image import web  # urllib, likewise

    with web.opened(url, each=TIMEOUT, whole=LIMIT) as response:
        data = bytearray()
        while chunk := response.read1(_CHUNK):
            data += chunk
            if len(data) > USER_DATA_LIMIT:
                raise ValueError(f"it has more than {USER_DATA_LIMIT >> 20} MiB")
        expected = response.headers.get("Content-Length", "")
        if expected.isdecimal() and int(expected) != len(data):
            raise ConnectionError("the server closed the connection in the middle")
    return bytes(data)


def _final(error: Exception) -> bool:
    """Whether another attempt would give the same: 404, a certificate, a size."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return 400 <= code < 500 and code not in (408, 425, 429)
    return isinstance(error, ValueError) or "CERTIFICATE" in str(error)


def _sentence(error: Exception) -> str:
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return f"the server answered {code}"
    reason = getattr(error, "reason", None) or error
    return str(reason) or type(error).__name__
