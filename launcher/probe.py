# SPDX-License-Identifier: Apache-2.0
"""The proof that the door is open: a real SSH handshake, with the expected key, for keys alone.

And one of them would be accepted: sshd says so to an offer without a signature (RFC 4252,
section 7).
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from launcher import key_offer
from launcher.errors import DoorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from launcher.keys.public_key import PublicKey

CONNECT_LIMIT: Final = 5.0
_SILENT: Final = "Look at `hatchway admin logs`; a local firewall may stand in between."
_FOREIGN: Final = (
    "Keep in each list of the user data an algorithm that the proof speaks as well:"
    " mlkem768x25519-sha256, aes256-gcm@openssh.com, hmac-sha2-512-etm@openssh.com."
)


_loading: list[threading.Thread] = []


def preload() -> None:
    """Load paramiko (65 ms) in the background, while the engine works and we only wait."""

    def load() -> None:
        with contextlib.suppress(Exception):  # the proof itself will say what is wrong
            _paramiko()

    # No daemon: the end of the process, should it come first, waits for it. Python would end a
    # daemon's thread in the middle of a library in Rust, which aborts the process then.
    thread = threading.Thread(target=load, name="preload-paramiko")
    thread.start()
    _loading.append(thread)


def prove(
    address: str,
    port: int,
    *,
    user: str,
    host_keys: Sequence[str],
    timeout: float,
    keys: Sequence[PublicKey] = (),
) -> Sequence[str]:
    """Shake hands with the SSH server and return the login methods that it offers: `['publickey']`.

    `address` is where it listens, empty for every address; `host_keys` are `TYPE BASE64`. Raises
    `DoorError` when nobody answers, when it is another server, when it would let anyone in by
    anything but a key, or when it would accept none of `keys`.
    """
    import logging

    while _loading:
        _loading.pop().join()  # a module that another thread is loading is half of one
    paramiko = _paramiko()
    address = address or "127.0.0.1"
    limit = max(min(CONNECT_LIMIT, timeout), 0.01)
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # we say ourselves what went wrong
    try:
        with socket.create_connection((address, port), timeout=limit) as connection:
            # Or else a small packet after another waits 40 ms for the server's delayed ACK.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport = paramiko.Transport(connection)
            transport.banner_timeout = transport.auth_timeout = timeout
            try:
                methods = _shake(transport, user, host_keys, timeout)
                key_offer.require_welcome(transport, user, keys, timeout)
                return methods
            finally:
                transport.close()
    except (OSError, EOFError, paramiko.SSHException) as error:
        reason = str(error) or type(error).__name__
        message = f"no SSH handshake with {address} port {port}: {reason}"
        foreign = isinstance(error, paramiko.ssh_exception.IncompatiblePeer)
        raise DoorError("door.handshake", message, _FOREIGN if foreign else _SILENT) from None


def _paramiko() -> Any:
    """Paramiko without what its reader of ssh_config would load (40 ms): the proof reads none."""
    sys.modules.setdefault("invoke", None)  # type: ignore[arg-type] # None: not to be found
    import paramiko

    return paramiko


def _shake(transport: Any, user: str, host_keys: Sequence[str], timeout: float) -> Sequence[str]:
    paramiko = _paramiko()
    transport.start_client(timeout=timeout)
    server_key = transport.get_remote_server_key()
    seen = f"{server_key.get_name()} {server_key.get_base64()}"
    if seen not in {" ".join(key.split()[:2]) for key in host_keys}:
        message = f"another SSH server answers: its host key is {server_key.fingerprint}"
        hint = "Choose another port or address with --listen."
        raise DoorError("door.host-key", message, hint)
    try:
        transport.auth_none(user)
    except paramiko.BadAuthenticationType as refusal:
        methods = list(refusal.allowed_types)
    else:
        methods = ["none"]
    if methods != ["publickey"]:
        message = f"the SSH server offers {', '.join(methods)}, not keys alone"
        raise DoorError("door.not-key-only", message, "Do not use this image.")
    return methods
