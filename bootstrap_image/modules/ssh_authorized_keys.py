# SPDX-License-Identifier: Apache-2.0
"""ssh_authorized_keys, also of `users`: who may come in through the admin door.

The host itself has no sshd, and the door one account, which may do everything. So a user's keys
come in there only where that user may become root.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bootstrap_image.findings import child
from bootstrap_image.module import Module, Params
from bootstrap_image.modules import unsupported, user_entry
from bootstrap_image.spec import KEYS_FILE

if TYPE_CHECKING:
    from bootstrap_image.host import Host
    from bootstrap_image.table import Table

_KEY = re.compile(
    r"([^\n]*\s)?(ssh-(rsa|ed25519)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)"
    r"@openssh\.com)\s+[A-Za-z0-9+/]{40,}={0,3}(\s[^\n]*)?"
)
_NAMES: Final = ("ssh_authorized_keys", "ssh-authorized-keys")  # of a user, now and long ago
_PASSWORDS: Final = ("passwd", "hashed_passwd", "plain_text_passwd")
_LOGIN: Final = ("ssh_redirect_user", "snapuser", "selinux_user", "expiredate", "inactive")


def _read(config: Table) -> Params | None:
    keys = _keys(config, "ssh_authorized_keys")
    for entry in user_entry.everyone(config):
        keys += _of_user(entry)
        _not_done(entry)
    return {"keys": list(dict.fromkeys(keys))} if keys else None


def _of_user(entry: Table) -> list[str]:
    keys = [key for name in _NAMES for key in _keys(entry, name)]
    if not keys:
        return []
    place = entry.at(next(name for name in _NAMES if name in entry))
    if not user_entry.may_be_root(entry):
        entry.report.error(
            place,
            "whoever comes in by the admin door may become root, and this user may not; "
            "give the keys in ssh_authorized_keys of the document, or the user `sudo`",
        )
        return []
    entry.report.warning(place, "these keys come in by the admin door, with its account")
    return keys


def _not_done(entry: Table) -> None:
    for key in _PASSWORDS:
        if unsupported.asks(entry.value(key)):
            entry.error(key, "the host has no logins, so no password is set")
    if unsupported.asks(entry.value("ssh_import_id")):
        entry.error("ssh_import_id", unsupported.ERRORS["ssh_import_id"])
    for key in _LOGIN:
        if unsupported.asks(entry.value(key)):
            entry.report.warning(entry.at(key), "nobody logs in to the host with this account")


def _keys(table: Table, name: str) -> list[str]:
    """Those that are keys; an entry may hold several, one a line, as in a file of them."""
    found = list[str]()
    for number, text in enumerate(table.texts(name)):
        lines = [(at, line.strip()) for at, line in enumerate(text.splitlines(), 1)]
        given = [(at, line) for at, line in lines if line and not line.startswith("#")]
        several = len(given) > 1
        for at, line in given or [(1, "")]:
            path = f"{child(table.at(name), number)}{f' line {at}' if several else ''}"
            if problem := _problem(line):
                table.report.error(path, problem)
            else:
                found.append(line)
    return found


def _problem(line: str) -> str:
    if "PRIVATE KEY" in line:
        return "this is a private key; give the public one, and replace this pair"
    return "" if _KEY.fullmatch(line) else "this is no public key that the admin door takes"


def _act(params: Params, host: Host) -> None:
    # Other jobs may let others in: each adds its own, and whoever was let in stays.
    keys = dict.fromkeys([*host.read(KEYS_FILE).splitlines(), *params["keys"]])
    host.write(KEYS_FILE, "".join(f"{key}\n" for key in keys).encode(), mode=0o600)
    host.say(f"{len(params['keys'])} keys for the admin door")


MODULE = Module(
    "ssh_authorized_keys", _read, _act, lambda params: [f"{len(params['keys'])} keys"], apart=True
)
