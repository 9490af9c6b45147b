# SPDX-License-Identifier: Apache-2.0
"""Whether sshd would accept a key, asked without the private half of it."""

from __future__ import annotations

import base64
import queue
from typing import TYPE_CHECKING, Any, Final

from launcher.errors import DoorError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from launcher.keys.public_key import PublicKey

# RFC 4252, sections 6 and 7.
_REQUEST: Final = 50
_FAILURE: Final = 51
_BANNER: Final = 53
_ACCEPTABLE: Final = 60
# What signs for a key whose own name is that of SHA-1.
_SIGNED_BY: Final = {"ssh-rsa": "rsa-sha2-512"}


def require_welcome(transport: Any, user: str, keys: Sequence[PublicKey], timeout: float) -> None:
    """Offer keys until one is acceptable; `DoorError` when sshd wants none of them."""
    if not keys:
        return
    offers = _Offers(transport, timeout)
    if any(offers.accepted(user, key) for key in keys):
        return
    message = f"sshd would accept none of the keys, {keys[0].fingerprint} among them"
    raise DoorError("door.keys-refused", message, "`hatchway admin logs` says why.")


class _Offers:
    """Stands in the place of paramiko's own handler, which never offers without signing."""

    def __init__(self, transport: Any, timeout: float) -> None:
        self._transport = transport
        self._timeout = timeout
        self._answers: queue.SimpleQueue[bool | None] = queue.SimpleQueue()
        # Under this name paramiko's transport looks for what to do with a message.
        self._handler_table: dict[int, Callable[[Any], None]] = {
            _ACCEPTABLE: lambda _message: self._answers.put(True),
            _FAILURE: lambda _message: self._answers.put(False),
            _BANNER: lambda _message: None,
        }
        transport.auth_handler = self

    def accepted(self, user: str, key: PublicKey) -> bool:
        from paramiko import Message, SSHException

        message = Message()
        message.add_byte(bytes((_REQUEST,)))
        for word in (user, "ssh-connection", "publickey"):
            message.add_string(word)
        message.add_boolean(False)
        message.add_string(_SIGNED_BY.get(key.kind, key.kind))
        message.add_string(base64.b64decode(key.blob))
        self._transport._send_message(message)  # noqa: SLF001 - there is no other way to say it
        try:
            answer = self._answers.get(timeout=self._timeout)
        except queue.Empty:
            raise SSHException("no answer to the offer of a key") from None
        if answer is None:
            raise SSHException("the server hung up when a key was offered")
        return answer

    def abort(self) -> None:
        """The transport calls it when the connection ends."""
        self._answers.put(None)

    def is_authenticated(self) -> bool:
        return False
