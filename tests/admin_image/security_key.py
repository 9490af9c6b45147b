# SPDX-License-Identifier: Apache-2.0
"""An SSH agent with a security key in software, which says what it is told of its owner."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import threading
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KIND = b"sk-ssh-ed25519@openssh.com"
APPLICATION = b"ssh:"
TOUCHED, VERIFIED = 1, 4  # OpenSSH's PROTOCOL.u2f
# draft-ietf-sshm-ssh-agent, section 5.1
FAILURE, REQUEST_IDENTITIES, IDENTITIES, SIGN_REQUEST, SIGNED = 5, 11, 12, 13, 14


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


class SecurityKey:
    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.blob = b"".join(
            map(string, (KIND, self._key.public_key().public_bytes_raw(), APPLICATION))
        )
        self.flags = TOUCHED

    def line(self) -> str:
        return f"{KIND.decode()} {base64.b64encode(self.blob).decode()} token"

    def sign(self, data: bytes) -> bytes:
        said = bytes((self.flags,)) + (1).to_bytes(4, "big")
        digests = [hashlib.sha256(part).digest() for part in (APPLICATION, data)]
        return string(KIND) + string(self._key.sign(digests[0] + said + digests[1])) + said

    @contextlib.contextmanager
    def agent(self, place: Path) -> Iterator[str]:
        """The path of its socket."""
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(place / "agent"))
            server.listen()
            thread = threading.Thread(target=self._serve, args=(server,))
            thread.start()
            try:
                yield str(place / "agent")
            finally:
                server.shutdown(socket.SHUT_RDWR)
                thread.join()

    def _serve(self, server: socket.socket) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client, client.makefile("rb") as requests:
                while size := requests.read(4):
                    answer = self._answer(requests.read(int.from_bytes(size, "big")))
                    client.sendall(string(answer))

    def _answer(self, request: bytes) -> bytes:
        if request[0] == REQUEST_IDENTITIES:
            return (
                bytes((IDENTITIES,)) + (1).to_bytes(4, "big") + string(self.blob) + string(b"token")
            )
        if request[0] == SIGN_REQUEST:
            after_key = request[5 + int.from_bytes(request[1:5], "big") :]
            data = after_key[4 : 4 + int.from_bytes(after_key[:4], "big")]
            return bytes((SIGNED,)) + string(self.sign(data))
        return bytes((FAILURE,))
