# SPDX-License-Identifier: Apache-2.0
"""Why the door could not be opened: `DoorError` carries a code of the launcher's table.

door.spec         the launcher's spec is missing, damaged or asks for what cannot be
door.seal-failed  something below /host stayed writable
door.host-key     no host key could be made or kept
door.sshd-config  sshd refuses the configuration
door.port-busy    another process listens where the door should be
door.sshd-died    sshd ended by itself
door.internal     an error that nobody foresaw
"""

from __future__ import annotations


class DoorError(Exception):
    """The door stays closed; `code` says which part refused."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
