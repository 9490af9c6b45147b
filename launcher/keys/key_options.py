# SPDX-License-Identifier: Apache-2.0
"""What may stand before a key in authorized_keys(5), judged as sshd judges it.

sshd drops a line with an option that it does not know or cannot read, and says so only in its
log; then the door opens and its owner is refused. A test compares the verdicts with the image's
own sshd.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
import re
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# Names as in sshauthopt_parse() of OpenSSH's auth-options.c; most may begin with `no-`.
_NEGATABLE: Final = (
    *("port-forwarding", "agent-forwarding", "x11-forwarding", "pty", "user-rc"),
    *("touch-required", "verify-required"),
)
_FLAGS: Final = frozenset(
    {"restrict", "cert-authority", *_NEGATABLE, *(f"no-{name}" for name in _NEGATABLE)}
)
_ONCE: Final = frozenset({"command", "principals", "from"})
_NAME: Final = re.compile(r"[A-Za-z0-9-]+")
_QUOTED: Final = re.compile(r'"((?>\\"|[^"])*+)"')
_PORT: Final = re.compile(r"(?:[^:/]*|\[[^\]]*\])[:/]([0-9]{1,5}|\*)")
_ENVIRONMENT: Final = re.compile(r"[A-Za-z0-9_]+=.*", re.DOTALL)
# In UTC without a mark, too: that is the container's time zone.
_TIMES: Final = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_SHOWN: Final = 24


class BadOptionError(ValueError):
    """Why sshd would not let this key in; the text repeats no value."""


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """`authority`: a CA, which itself cannot log in. `bound`: not from everywhere."""

    authority: bool = False
    bound: bool = False


def judge(text: str, *, now: float | None = None) -> Options:
    """Read the options of one line; `BadOptionError` when sshd would refuse every login by it."""
    found: list[tuple[str, str]] = []
    rest = text
    while rest := rest.lstrip(","):  # sshd passes over commas with nothing between them
        name, value, rest = _next(rest)
        if name in _ONCE and name in {known for known, _ in found}:
            raise BadOptionError(f"the option {name} stands in it twice")
        found.append((name, value))
        if name in _VALUES:
            _VALUES[name](value, time.time() if now is None else now)
    names = {name for name, _ in found}
    if "principals" in names and "cert-authority" not in names:
        raise BadOptionError("the option principals belongs to a CA, and this is none")
    return Options("cert-authority" in names, "from" in names)


def _next(text: str) -> tuple[str, str, str]:
    """The first option, its value, and what follows."""
    match = _NAME.match(text)
    name = match[0].lower() if match else ""
    rest = text[len(name) :]
    value = ""
    if name in _VALUES and rest.startswith("="):
        quoted = _QUOTED.match(rest, 1)
        if quoted is None:
            raise BadOptionError(f"the value of the option {name} is not in quotes")
        value, rest = quoted[1].replace('\\"', '"'), rest[quoted.end() :]
    elif name not in _FLAGS:
        raise BadOptionError(_unknown(name))
    if rest and not rest.startswith(","):
        raise BadOptionError(f"sshd cannot read what follows the option {name}")
    return name, value, rest


def _unknown(name: str) -> str:
    if name.strip("-") == "":
        return "it begins with something that is no option (a dash of YAML?): leave that out"
    if name in _VALUES:
        return f"the option {name} has no value"
    shown = f" {name}" if len(name) <= _SHOWN else ""
    return f"sshd knows no option{shown}, and would pass over this key"


def _expiry(value: str, now: float) -> None:
    plain = re.sub(r"(?i)(?<=.)(?:z|utc)$", "", value)
    form = _TIMES.get(len(plain)) if plain.isdecimal() else None
    try:
        when = dt.datetime.strptime(plain, form or "").replace(tzinfo=dt.UTC)
    except ValueError:
        raise BadOptionError("sshd cannot read its expiry-time") from None
    if when.timestamp() <= now:
        raise BadOptionError(f"it expired on {when:%Y-%m-%d %H:%M} UTC")


def _from(value: str, _now: float) -> None:
    """A pattern that sshd cannot read makes it refuse, whatever else the list says."""
    patterns = value.split(",")
    for pattern in patterns:
        address, slash, bits = pattern.removeprefix("!").partition("/")
        if not address:
            raise BadOptionError("its list of addresses has an empty item, which fits nobody")
        if slash and _is_address(address) and not _is_network(address, bits):
            raise BadOptionError("its list of addresses has a network whose host part is not zero")
    if all(pattern.startswith("!") for pattern in patterns):
        raise BadOptionError("its list of addresses only excludes, so that none is left")


def _is_address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def _is_network(address: str, bits: str) -> bool:
    try:
        return bits.isdecimal() and bool(ipaddress.ip_network(f"{address}/{bits}"))
    except ValueError:
        return False


def _port(value: str) -> None:
    match = _PORT.fullmatch(value)
    if match is None or (match[1] != "*" and not 0 < int(match[1]) < 65536):
        raise BadOptionError("sshd cannot read an address and port of it")


def _environment(value: str, _now: float) -> None:
    if not _ENVIRONMENT.fullmatch(value):
        raise BadOptionError("its environment is not NAME=VALUE")


def _tunnel(value: str, _now: float) -> None:
    if value.lower() != "any" and not (value.isdecimal() and int(value) < 2**31 - 2):
        raise BadOptionError("its tunnel is no number")


_VALUES: Final[dict[str, Callable[[str, float], None]]] = {
    "command": lambda _value, _now: None,
    "principals": lambda _value, _now: None,
    "from": _from,
    "expiry-time": _expiry,
    "environment": _environment,
    "permitopen": lambda value, _now: _port(value),
    "permitlisten": lambda value, _now: _port(value if ":" in value else f"*:{value}"),
    "tunnel": _tunnel,
}
