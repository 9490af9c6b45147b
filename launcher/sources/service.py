# SPDX-License-Identifier: Apache-2.0
"""A metadata service: HTTP on a link-local address, asked directly, patiently and within bounds.

No proxy: the service knows us by our address. No redirect: what is asked for is a secret.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from launcher import interrupt
from launcher.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from launcher.registry.watch import Watch

READ_LIMIT: Final = 10.0  # seconds for one answer, from connecting to its last byte
LIMIT: Final = 60.0  # seconds for all tries of one question: the network may still be coming up
FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 5.0
SIZE_LIMIT: Final = 16 * 2**20  # bytes
# A service that says one of these is sure of it.
_FINAL: Final = frozenset({400, 401, 403, 405})


@dataclasses.dataclass(frozen=True)
class Service:
    """The metadata service of one cloud, at `address` (`http://HOST[:PORT]`)."""

    name: str
    address: str
    limit: float = LIMIT
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> bytes | None:
        """What is at `path`, or None where there is nothing (404)."""
        return self._patiently("GET", path, headers or {})

    def put(self, path: str, headers: Mapping[str, str]) -> bytes | None:
        """The answer to a PUT without a body, as session tokens are asked for; None on 404."""
        return self._patiently("PUT", path, headers)

    def text(self, path: str, headers: Mapping[str, str] | None = None) -> str:
        """What is at `path` as one stripped line, empty where there is nothing."""
        return (self.get(path, headers) or b"").decode("utf-8", "replace").strip()

    def _patiently(self, method: str, path: str, headers: Mapping[str, str]) -> bytes | None:
        end = self.clock() + self.limit
        wait = FIRST_WAIT
        while True:
            interrupt.check()
            try:
                return self._ask(method, path, headers)
            except _TransientError as error:
                if self.clock() + wait >= end:
                    raise self._failure(path, str(error)) from None
            self.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)

    def _ask(self, method: str, path: str, headers: Mapping[str, str]) -> bytes | None:
        import http.client

        from launcher.registry.watch import Watch

        watch = Watch(READ_LIMIT)
        try:
            status, data = watch.run(lambda: self._exchange(watch, method, path, headers))
        except TimeoutError:
            raise _TransientError(f"it did not answer within {READ_LIMIT:g} s") from None
        except OSError as error:
            raise _TransientError(error) from None
        except http.client.HTTPException:
            raise _TransientError("its answer is damaged") from None
        if not 200 <= status < 300:
            self._raise_refused(status, path)
            return None
        if len(data) > SIZE_LIMIT:
            raise self._failure(path, f"it is larger than {SIZE_LIMIT // 2**20} MiB")
        return data

    def _exchange(
        self, watch: Watch, method: str, path: str, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        """The status, and with a good one the body, all of it unless it is too large."""
        import http.client

        where = urlsplit(self.address)
        connection = http.client.HTTPConnection(
            where.hostname or "", where.port or 80, timeout=READ_LIMIT
        )
        with contextlib.closing(connection):
            connection.connect()
            watch.add(connection.sock, READ_LIMIT)
            connection.request(method, path, headers={"Connection": "close", **headers})
            answer = connection.getresponse()
            if not 200 <= answer.status < 300:
                return answer.status, b""
            data = answer.read(SIZE_LIMIT + 1)
            # http.client takes a body that was cut off for a whole one, and headers as well.
            if answer.length != 0 and not answer.chunked and len(data) <= SIZE_LIMIT:
                raise ConnectionError("it closed the connection in the middle")
            return answer.status, data

    def _raise_refused(self, status: int, path: str) -> None:
        if status == 404:
            return
        if status in _FINAL or 300 <= status < 400:
            raise self._failure(path, f"it answered with status {status}")
        raise _TransientError(f"it answered with status {status}")

    def _failure(self, path: str, why: str) -> HostError:
        message = f"the metadata service ({self.name}) gives no {path.rpartition('/')[2]}: {why}"
        hint = "Look whether this machine may reach it; name another source in [bootstrap] source."
        return HostError("host.metadata", message, hint)


class _TransientError(Exception):
    """Worth another try."""
