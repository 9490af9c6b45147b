# SPDX-License-Identifier: Apache-2.0
"""users and groups: accounts in the host's /etc/passwd, for files and services; then their homes.

Nobody logs in with them: their keys are the admin door's, which ssh_authorized_keys reads.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

from bootstrap_image import accounts, password_lock
from bootstrap_image.findings import child
from bootstrap_image.host import ModuleError
from bootstrap_image.module import Module, Params
from bootstrap_image.modules import user_entry
from bootstrap_image.spec import HOST
from bootstrap_image.table import Table, as_text, kind

if TYPE_CHECKING:
    from bootstrap_image.host import Host

_DAY: Final = 86_400
_FILES: Final = ("group", "gshadow", "passwd", "shadow")
_NAME: Final = re.compile(user_entry.NAME)


def _read(config: Table) -> Params | None:
    users = [user for entry in user_entry.tables(config) if (user := user_entry.read(entry))]
    _check(config)
    groups = _groups(config)
    if not users and not groups:
        return None
    return {"users": users, "groups": groups}


def _check(config: Table) -> None:
    for number, item in enumerate(user_entry.items(config)):
        path = child(config.at("users"), number)
        if item == "default":
            config.report.warning(path, "the default user is the one of the admin door")
        elif not isinstance(item, dict | str):
            config.report.error(path, f"expected a table with a name, found {kind(item)}")


def _groups(config: Table) -> list[list[Any]]:
    """Names, each with its members: `[a, {b: [root]}]`, `{a: [root]}` or `a, b`."""
    value, found = config.written("groups"), list[list[Any]]()
    for number, item in enumerate(_listed(value)):
        for name, given in item.items() if isinstance(item, dict) else [(as_text(item), None)]:
            words = [as_text(word) for word in (name, *_listed(given))]
            if not all(word and _NAME.fullmatch(word) for word in words):
                path = child(config.at("groups"), number)
                config.report.error(path, "expected the name of a group, or a table of its members")
            found.append([words[0], words[1:]])
    return found


def _listed(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return value if isinstance(value, list) else [] if value is None else [value]


def _act(params: Params, host: Host) -> None:
    for name in ("passwd", "group"):
        if not host.exists(f"/etc/{name}"):
            raise ModuleError(f"the host has no /etc/{name}: {_INSTEAD}")
    try:
        with password_lock.held(host):
            _add(params, host)
    except accounts.AccountError as error:
        raise ModuleError(str(error)) from error
    except OSError as error:
        message = f"the host's accounts cannot be changed ({error.strerror}): {_INSTEAD}"
        raise ModuleError(message) from error


_INSTEAD: Final = "give files to numbers, such as `owner: '1000:1000'`"


def _add(params: Params, host: Host) -> None:
    before = {name: _lines(f"/etc/{name}", host) for name in _FILES}
    known = accounts.Accounts(
        **{name: lines if lines is None else [*lines] for name, lines in before.items()},  # type: ignore[arg-type]
        day=int(time.time()) // _DAY,
        taken=(_vendor("passwd", host), _vendor("group", host)),
    )
    for name, members in params["groups"]:
        known.add_group(name)
        for member in members:
            known.add_member(name, member)
    for given in params["users"]:
        fields = {key: value for key, value in given.items() if key != "make_home"}
        known.add_user(accounts.User(**{**fields, "groups": tuple(given["groups"])}))
        host.say(f"{given['name']} has an account on the host")
    for name in _FILES:
        lines = getattr(known, name)
        if lines != before[name]:
            host.write(f"/etc/{name}", "".join(f"{line}\n" for line in lines).encode())


def _lines(path: str, host: Host) -> list[str] | None:
    return host.read(path).splitlines() if host.exists(path) else None


def _vendor(name: str, host: Host) -> list[str]:
    """Accounts that come with the host's image (nss-altfiles)."""
    return host.read(f"{HOST}/usr/lib/{name}").splitlines()


def _read_homes(config: Table) -> Params | None:
    found = [user for entry in user_entry.tables(config) if (user := user_entry.read(entry))]
    homes = {user["name"]: user["home"] for user in found if user["make_home"]}
    return {"homes": homes} if homes else None


def _make_homes(params: Params, host: Host) -> None:
    known = [*host.read("/etc/passwd").splitlines(), *_vendor("passwd", host)]

    def make(item: tuple[str, str]) -> None:
        name, home = item
        fields = accounts.find(name, known).split(":")
        if len(fields) < 4:
            raise ModuleError(f"{name} has no account on the host, so {home} is not made")
        if host.make_directory(home, mode=0o700, owner=(int(fields[2]), int(fields[3]))):
            host.say(f"{home} is the home of {name}")

    host.each(params["homes"].items(), make)


MODULE = Module(
    "users", _read, _act,
    lambda params: [f"group {name}" for name, _ in params["groups"]]
    + [f"account {user['name']}" for user in params["users"]],
)  # fmt: skip
HOMES = Module(
    "users_homes", _read_homes, _make_homes,
    lambda params: [f"home {home}" for home in params["homes"].values()],
    of="users",
)  # fmt: skip
