# SPDX-License-Identifier: Apache-2.0
"""Which of a target's variables a program of ours may get.

The target chose their values, and hundreds of names steer one program or another: TAR_OPTIONS runs
a command, OPENSSL_CONF loads a library, a proxy sees what is fetched. So nothing passes but what is
known to steer none, and what the user names.
"""

from __future__ import annotations

# Time and language: their values are names, and none that leads to a file of the target's choice.
_LOCALE = frozenset(
    {"LANG", "LC_ALL", "LC_COLLATE", "LC_CTYPE", "LC_MESSAGES", "LC_MONETARY", "LC_NUMERIC"}
    | {"LC_TIME"}
)
# Who the target is, and where the services of its cluster are: no program of ours reads them.
_NAMES = frozenset(
    {"POD_NAME", "POD_NAMESPACE", "POD_IP", "POD_UID", "NODE_NAME", "NAMESPACE"}
    | {"KUBERNETES_PORT"}
)
_SERVICE = ("_SERVICE_HOST", "_SERVICE_PORT")


def harmless(theirs: dict[str, str]) -> dict[str, str]:
    """Those that any program of ours may have unasked."""
    return {name: value for name, value in theirs.items() if _is_harmless(name, value)}


def _is_harmless(name: str, value: str) -> bool:
    if name in _LOCALE:
        return _is_made_of(value, "_.@-")
    if name == "TZ":
        return _is_made_of(value, "_+-/") and not value.startswith("/")
    is_service = name.endswith(_SERVICE) or "_SERVICE_PORT_" in name
    return name in _NAMES or (is_service and name.isidentifier())


def _is_made_of(value: str, signs: str) -> bool:
    return value.isascii() and value != "" and all(s.isalnum() or s in signs for s in value)


def named(theirs: dict[str, str], names: list[str]) -> tuple[dict[str, str], list[str]]:
    """Those that the user named, and the names that the target does not have."""
    found = {name: theirs[name] for name in names if name in theirs}
    return found, [name for name in names if name not in theirs]
