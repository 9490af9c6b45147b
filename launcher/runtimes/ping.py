# SPDX-License-Identifier: Apache-2.0
"""Whether a daemon answers at its socket: the kernel takes connections for one that hangs."""

from __future__ import annotations

import contextlib
import socket
from typing import Final

from launcher import interrupt
from launcher.deadline import Deadline

# The cheapest question that its protocol knows, so that a daemon logs nothing odd.
DOCKER: Final = b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"
# HTTP/2's preface and empty SETTINGS (RFC 9113, 3.4): a gRPC server answers with its own.
GRPC: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"

_CONNECT: Final = 2.0  # seconds
_LOOK: Final = 0.2  # seconds between two looks whether a signal came
HUNG: Final = "it takes connections, but answers nothing"
LATE: Final = "no time was left to ask it"


def problem(address: str, question: bytes, seconds: float) -> str | None:
    """Why nobody answers on the socket within so many seconds, or None."""
    if seconds <= 0:
        return LATE
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(max(min(_CONNECT, seconds), 0.01))
        try:
            client.connect(address)
        except TimeoutError:
            return HUNG  # so many wait already that the kernel has no place for us
        except OSError as error:
            return (error.strerror or str(error)).lower()
        client.settimeout(_LOOK)
        limit = Deadline.after(seconds)
        try:
            client.sendall(question)
            while not limit.passed:
                interrupt.check()
                with contextlib.suppress(TimeoutError):
                    return None if client.recv(1) else "it hangs up without an answer"
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return HUNG
