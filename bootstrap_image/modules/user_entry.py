# SPDX-License-Identifier: Apache-2.0
"""One entry of `users`: what an account on the host takes from it, and who may become root."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from bootstrap_image import places
from bootstrap_image.accounts import NOLOGIN
from bootstrap_image.findings import child
from bootstrap_image.scalars import plain
from bootstrap_image.table import Table

if TYPE_CHECKING:
    from bootstrap_image.module import Params

NAME: Final = r"[A-Za-z_][A-Za-z0-9_.-]{0,31}"
# Of a login, which there is none of. ssh_authorized_keys reads keys, passwords and sudo.
_ELSEWHERE: Final = (
    "ssh_authorized_keys", "ssh-authorized-keys", "ssh_import_id", "ssh_redirect_user", "sudo",
    "doas", "passwd", "hashed_passwd", "plain_text_passwd", "lock_passwd", "lock-passwd",
    "no_log_init", "snapuser", "selinux_user", "selinux-user", "expiredate", "inactive",
)  # fmt: skip
_ADMINS: Final = {"root", "sudo", "wheel", "admin"}
_ALL: Final = re.compile(r"[\s:]ALL\s*")
_UIDS: Final = range(1, (1 << 32) - 1)  # 2^32 - 1 is nobody's: chown(2)


def items(config: Table) -> list[Any]:
    """Everything in `users`: a list, a table by name, or names with commas between them."""
    value = config.written("users")
    if isinstance(value, dict) and not isinstance(value.get("name"), str):
        return [_named(name, entry) for name, entry in value.items() if plain(entry) is not False]
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return value if isinstance(value, list) else [] if value is None else [value]


def _named(name: Any, entry: Any) -> Any:
    return {**entry, "name": name} if isinstance(entry, dict) else name


def tables(config: Table) -> list[Table]:
    """The entries that are accounts; a name alone is one."""
    found = list[Table]()
    for number, item in enumerate(items(config)):
        entry = {"name": item} if isinstance(item, str) and item != "default" else item
        if isinstance(entry, dict) and entry.get("name") not in ("default", "root"):
            found.append(Table(entry, child(config.at("users"), number), config.report))
    return found


def everyone(config: Table) -> list[Table]:
    """The entries that may have keys; root may."""
    return [
        Table(item, child(config.at("users"), number), config.report)
        for number, item in enumerate(items(config))
        if isinstance(item, dict)
    ]


def read(entry: Table) -> Params | None:
    """What accounts.User takes, and whether there is a home to make; None with a finding."""
    before = entry.report.errors
    name, system = entry.text("name"), entry.flag("system")
    home = entry.text("homedir", f"/home/{name}")
    bare = entry.flag("no_create_home") or entry.flag("no-create-home") or system
    group = entry.text("primary_group") or entry.text("primary-group")
    if entry.flag("no_user_group") or entry.flag("no-user-group"):
        group = group or "users"
    found = {
        "name": name, "uid": _uid(entry), "group": group, "groups": groups(entry), "home": home,
        "shell": _shell(entry), "gecos": entry.text("gecos"), "system": system,
        "create_groups": entry.flag("create_groups", default=True), "make_home": not bare,
    }  # fmt: skip
    for key in _ELSEWHERE:
        entry.value(key)
    entry.close()
    _check(entry, found)
    return found if entry.report.errors == before else None


def groups(entry: Table) -> list[str]:
    """A list, a table of names, or names with commas between them."""
    value = entry.written("groups")
    texts = list(value) if isinstance(value, dict) else entry.texts("groups")
    return [word.strip() for text in texts for word in str(text).split(",") if word.strip()]


def may_be_root(entry: Table) -> bool:
    """Whether this account could do on an ordinary machine what the admin door lets one do."""
    rules = [] if entry.value("sudo") in (None, False) else entry.texts("sudo")
    unlimited = any(_ALL.search(rule) and rule.rstrip().endswith("ALL") for rule in rules)
    return unlimited or entry.text("name") == "root" or bool(_ADMINS.intersection(groups(entry)))


def _uid(entry: Table) -> int | None:
    text = entry.text("uid")
    if not text:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,9}", text) or int(text) not in _UIDS:
        entry.error("uid", "expected a number above 0")
        return None
    return int(text)


def _shell(entry: Table) -> str:
    """The host has none to log in with; what says so already is kept."""
    shell = entry.text("shell")
    return shell if re.fullmatch(r"/[\w/.-]*/(nologin|false)", shell) else NOLOGIN


def _check(entry: Table, found: dict[str, Any]) -> None:
    if not re.fullmatch(NAME, found["name"]):
        entry.error("name", "expected a name of letters, digits, . _ and -, at most 32")
    for name in (found["group"], *found["groups"]):
        if name and not re.fullmatch(NAME, name):
            entry.error("groups", "expected names of groups")
    if re.search(r"[:\n\0]", found["gecos"]):
        entry.error("gecos", "it must not hold a colon or a line end")
    home = found["home"]
    problem = places.problem(home) if found["make_home"] else ""
    if problem or not re.fullmatch(r"/[^:\n\0]*", home):
        entry.error("homedir", problem or "expected an absolute path without a colon")
