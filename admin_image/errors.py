# SPDX-License-Identifier: Apache-2.0
"""Why the door could not be opened, or a target not be entered, by codes of the launcher's table.

door.spec         the launcher's spec is missing, damaged or asks for what cannot be
door.seal-failed  something below /host stayed writable
door.host-key     no host key could be made or kept
door.sshd-config  sshd refuses the configuration
door.port-busy    another process listens where the door should be
door.sshd-died    sshd ended by itself
door.internal     an error that nobody foresaw

target.gone       the target ended, or its number is another process's by now
target.kernel     the kernel, or what confines us, refuses a call that there is no way around
target.no-place   the target has the name that the tools are to have
target.user       the target's user namespace knows no such user
target.failed     something else refused
"""

from __future__ import annotations


class DoorError(Exception):
    """The door stays closed; `code` says which part refused."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class JoinError(Exception):
    """The command was not run: a code of the launcher's table, a sentence, what to do about it."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
