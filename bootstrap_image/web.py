# SPDX-License-Identifier: Apache-2.0
"""A page of the web, all of which has to come before one moment.

urllib's own timeout is for each read: a server that drips, be it headers or a proxy's greeting,
would be waited for as long as it likes.
"""

from __future__ import annotations

import functools
import http.client
import io
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket


class _Deadline:
    """Reads wait `each` seconds at most, and none beyond `whole` seconds from now."""

    def __init__(self, each: float, whole: float) -> None:
        self._each, self._whole = each, whole
        self._end = time.monotonic() + whole

    def next(self) -> float:
        """Seconds for the next read; `TimeoutError` when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"it did not come within {self._whole:g} s")
        return min(left, self._each)


class _Reader(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: _Deadline) -> None:
        self._raw, self._sock, self._deadline = raw, sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline.next())
        try:
            return self._raw.readinto(buffer)
        except TimeoutError:
            self._deadline.next()  # says which of the two it was
            raise

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(
        self, sock: socket.socket, *arguments: Any, deadline: _Deadline, **options: Any
    ) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock, deadline))


def opened(url: str, *, each: float, whole: float) -> Any:
    """The answer, to be read and closed; raises what urllib and http.client do."""
    import urllib.request

    response = functools.partial(_Response, deadline=_Deadline(each, whole))

    def connection(kind: type[http.client.HTTPConnection], host: str, **options: Any) -> Any:
        made: Any = kind(host, **options)
        made.response_class = response
        return made

    class Plain(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> Any:
            made: Any = functools.partial(connection, http.client.HTTPConnection)
            return self.do_open(made, req)

    class Secure(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> Any:
            made: Any = functools.partial(connection, http.client.HTTPSConnection)
            return self.do_open(made, req)

    request = urllib.request.Request(url, headers={"User-Agent": "hatchway-bootstrap"})  # noqa: S310 - http and https only, see include
    return urllib.request.build_opener(Plain, Secure).open(request, timeout=each)
