# SPDX-License-Identifier: Apache-2.0
"""ssh_authorized_keys: who may come in through the admin door; the host itself has no sshd."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bootstrap_image.module import Module, Params
from bootstrap_image.spec import KEYS_FILE

if TYPE_CHECKING:
    from bootstrap_image.host import Host
    from bootstrap_image.table import Table

_KEY = re.compile(
    r"([^\n]*\s)?(ssh-(rsa|ed25519)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)"
    r"@openssh\.com)\s+[A-Za-z0-9+/]{40,}={0,3}(\s[^\n]*)?"
)


def _read(config: Table) -> Params | None:
    keys = [key.strip() for key in config.texts("ssh_authorized_keys")]
    for number, key in enumerate(keys):
        place = f"ssh_authorized_keys[{number}]"
        if "PRIVATE KEY" in key:
            config.error(place, "this is a private key; give the public one, and replace this pair")
        elif not _KEY.fullmatch(key):
            config.error(place, "this is no public key that the admin door takes")
    good = [key for key in keys if "PRIVATE KEY" not in key and _KEY.fullmatch(key)]
    return {"keys": good} if good else None


def _act(params: Params, host: Host) -> None:
    # Other jobs may let others in: each adds its own, and whoever was let in stays.
    keys = dict.fromkeys([*host.read(KEYS_FILE).splitlines(), *params["keys"]])
    host.write(KEYS_FILE, "".join(f"{key}\n" for key in keys).encode(), mode=0o600)
    host.say(f"{len(params['keys'])} keys for the admin door")


MODULE = Module(
    "ssh_authorized_keys", _read, _act, lambda params: [f"{len(params['keys'])} keys"], apart=True
)
