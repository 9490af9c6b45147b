# SPDX-License-Identifier: Apache-2.0
# pathlib would double the time that this takes to start.
"""What was done as root, and with which key: a line in the door's log and in the host's journal.

Written by root before it is done. Few imports on purpose: `hostsh` pays for them at each start.
"""

from __future__ import annotations

import os
import time

from admin_image import logins

LOG_FILE = "/var/log/hatchway/admin.log"  # `spec` has it; importing that takes longer than all this
JOURNAL = "/dev/log"
_PRIORITY = b"<86>"  # syslog(3): LOG_AUTHPRIV, LOG_INFO
LIMIT = 2000  # characters of a command line


def record(verb: str, command: list[str]) -> None:
    """`hostsh by SHA256:... from ADDRESS: COMMAND`; nothing that fails keeps it from being done."""
    words = " ".join(map(_shown, command))
    text = f"{verb} by {logins.of_this_session()}: {words[:LIMIT]}"
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    _append(f"{stamp} hatchway: {text}\n".encode("utf-8", "replace"))
    _tell_journal(f"hatchway[{os.getpid()}]: {text}".encode("utf-8", "replace"))


def record_sudo(pid: int) -> None:
    """Called by PAM in sudo, whose process has that pid."""
    words = logins.read(f"/proc/{pid}/cmdline").rstrip("\0").split("\0")
    if words[:4] != ["/usr/bin/sudo", "-n", "--", "/usr/bin/hostsh"]:
        record("sudo", words[1:])


def _shown(word: str) -> str:
    """As a shell would take it, on one line and without a terminal's commands."""
    if word and all(c.isalnum() or c in "@%+=:,./-_" for c in word):
        return word
    return repr(word)


def _append(line: bytes) -> None:
    try:
        log = os.open(LOG_FILE, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        os.write(log, line)
        os.close(log)
    except OSError:
        return


def _tell_journal(message: bytes) -> None:
    import _socket  # `socket` would bring enum and selectors

    journal = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    try:
        journal.setblocking(False)  # a journal that hangs holds nobody up
        journal.connect(JOURNAL)
        journal.send(_PRIORITY + message)
    except OSError:
        pass
    finally:
        journal.close()
