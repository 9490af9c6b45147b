# SPDX-License-Identifier: Apache-2.0
"""Bottlerocket's user data of the admin container, unchanged: JSON, or JSON in base64.

    {"user": "ec2-user", "password-hash": "$6$...",
     "ssh": {"authorized-keys": [...], "trusted-user-ca-keys": [...],
             "authorized-keys-command": "/path %u %f", "authorized-keys-command-user": "nobody",
             "ciphers": [...], "key-exchange-algorithms": [...], "macs": [...]}}

Each key may be spelled with `_` instead of `-`. Bottlerocket's settings as a whole (TOML) are taken
as well: the same is in `settings.host-containers.admin.user-data` there.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import re
from typing import Any, Final

from admin_image.spec import USER_PATTERN
from launcher.findings import Finding

_ALGORITHM: Final = re.compile(r"[+^-]?[A-Za-z0-9@._*?-]+(?:,[A-Za-z0-9@._*?-]+)*")
_COMMAND: Final = re.compile(r"/[^\s\"'\\]*(?: [^\s\"'\\]+)*")
_HASH: Final = re.compile(r"\$[0-9a-zA-Z-]+\$[./0-9A-Za-z$=,-]+")
_USER: Final = re.compile(USER_PATTERN)

_SYSTEMS_OWN: Final = "this is the system's own configuration, and names no keys for the door"
_TOP: Final = {"user", "password-hash", "ssh"}
_LISTS: Final = {
    "authorized-keys", "trusted-user-ca-keys", "ciphers", "key-exchange-algorithms", "macs",
}  # fmt: skip
_WORDS: Final = {"authorized-keys-command", "authorized-keys-command-user"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UserData:
    """What the user data asks for; empty where it says nothing. The keys are unchecked lines."""

    user: str = ""
    password_hash: str = dataclasses.field(default="", repr=False)
    authorized_keys: tuple[str, ...] = ()
    trusted_cas: tuple[str, ...] = ()
    authorized_keys_command: str = ""
    authorized_keys_command_user: str = ""
    ciphers: tuple[str, ...] = ()
    key_exchange_algorithms: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()

    def settings(self) -> tuple[object, ...]:
        """What it says besides user and keys; empty when that is nothing."""
        said = (
            self.password_hash,
            self.authorized_keys_command,
            self.authorized_keys_command_user,
            self.ciphers,
            self.key_exchange_algorithms,
            self.macs,
        )
        return said if any(said) else ()


def parse(data: bytes, place: str) -> tuple[UserData, list[Finding]]:
    """Read user data; everything wrong with it comes back as findings, never as an exception."""
    twice: list[str] = []
    try:
        text = _decode(data)
        if (settings := _settings(text)) is not None:
            return _of_settings(settings, place)
        value = json.loads(
            text,
            object_pairs_hook=lambda pairs: _object(pairs, twice),
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError):
        return UserData(), [Finding(place, "user data is neither JSON nor base64 of JSON")]
    if not isinstance(value, dict):
        return UserData(), [Finding(place, "user data must be a JSON object")]
    if "ignition" in value:
        return UserData(), [Finding(place, f"Ignition: {_SYSTEMS_OWN}")]
    findings = [Finding(f"{place}: {name}", "given twice") for name in twice]
    top = _checked(value, place, _TOP, findings)
    ssh = top.get("ssh", {})
    if not isinstance(ssh, dict):
        findings.append(Finding(f"{place}: ssh", "expected an object"))
        ssh = {}
    ssh = _checked(ssh, f"{place}: ssh", _LISTS | _WORDS, findings)
    return _build(top, ssh, place, findings), findings


def _decode(data: bytes) -> str:
    text = data.decode("utf-8").strip()
    if text.startswith("{"):
        return text
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("utf-8")
    except binascii.Error:
        return text


def _settings(text: str) -> dict[str, Any] | None:
    """Bottlerocket's own settings, where it is these."""
    import tomllib

    if text.startswith("{"):
        return None
    try:
        found = tomllib.loads(text).get("settings")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _of_settings(settings: dict[str, Any], place: str) -> tuple[UserData, list[Finding]]:
    found: Any = settings
    for name in ("host-containers", "admin", "user-data"):
        found = found.get(name) if isinstance(found, dict) else None
    within = f"{place}: settings.host-containers.admin.user-data"
    if found is None:
        return UserData(), [Finding(within, _SYSTEMS_OWN)]
    try:
        decoded = base64.b64decode("".join(found.split()), validate=True)
    except (AttributeError, ValueError):
        return UserData(), [Finding(within, "expected a text in base64")]
    return parse(decoded, within)


def _object(pairs: list[tuple[str, Any]], twice: list[str]) -> dict[str, Any]:
    """A JSON object; a second member of the same name would silently take the first one's place."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            twice.append(name)
        found[name] = value
    return found


def _no_constant(name: str) -> None:
    message = f"{name} is no JSON"
    raise ValueError(message)


def _checked(
    value: dict[str, Any], place: str, known: set[str], findings: list[Finding]
) -> dict[str, Any]:
    """`value` with `-` in its keys; a key twice (in both spellings) or unknown is a finding."""
    found: dict[str, Any] = {}
    for name, item in value.items():
        plain = name.replace("_", "-")
        if plain not in known:
            findings.append(Finding(f"{place}: {name}", "unknown key"))
        elif plain in found:
            findings.append(Finding(f"{place}: {name}", "given twice, in both spellings"))
        else:
            found[plain] = item
    return found


def _build(
    top: dict[str, Any], ssh: dict[str, Any], place: str, findings: list[Finding]
) -> UserData:
    def word(holder: dict[str, Any], name: str, pattern: re.Pattern[str], rule: str) -> str:
        value = holder.get(name, "")
        if value == "" or (isinstance(value, str) and pattern.fullmatch(value)):
            return str(value)
        findings.append(Finding(f"{place}: {name}", rule))
        return ""

    def words(name: str, pattern: re.Pattern[str] | None, rule: str) -> tuple[str, ...]:
        value = ssh.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            findings.append(Finding(f"{place}: ssh.{name}", "expected a list of strings"))
            return ()
        for index, item in enumerate(value):
            if pattern is not None and not pattern.fullmatch(item):
                findings.append(Finding(f"{place}: ssh.{name}[{index}]", rule))
        return tuple(value)

    name_rule = f"expected a user name: {USER_PATTERN}"
    return UserData(
        user=word(top, "user", _USER, name_rule),
        password_hash=word(top, "password-hash", _HASH, "expected a crypt(5) hash such as $6$..."),
        authorized_keys=words("authorized-keys", None, ""),
        trusted_cas=words("trusted-user-ca-keys", None, ""),
        authorized_keys_command=word(
            ssh,
            "authorized-keys-command",
            _COMMAND,
            "expected an absolute path and plain arguments",
        ),
        authorized_keys_command_user=word(ssh, "authorized-keys-command-user", _USER, name_rule),
        ciphers=words("ciphers", _ALGORITHM, "expected the name of an algorithm"),
        key_exchange_algorithms=words(
            "key-exchange-algorithms", _ALGORITHM, "expected the name of an algorithm"
        ),
        macs=words("macs", _ALGORITHM, "expected the name of an algorithm"),
    )
