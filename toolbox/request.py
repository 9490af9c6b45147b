# SPDX-License-Identifier: Apache-2.0
"""What somebody wants of a toolbox, and the parts of it that are written as text."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from admin_image import spec
from launcher.errors import UsageError
from launcher.runtimes import Wish
from toolbox import profiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from toolbox.target.joining import Joining

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# The toolbox sets them itself, and theirs never stands before ours.
_OWN: Final = frozenset(
    {"HATCHWAY_TARGET", "HOME", "HOST", "HOSTNAME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM"}
    | {"TERMINFO_DIRS", "USER", "container"}
)
# Read before a program's own first word: by the loader, the C library, and every shell.
_BEFORE_ALL: Final = frozenset(
    {"GCONV_PATH", "GLIBC_TUNABLES", "LOCPATH", "BASH_ENV", "BASHOPTS", "ENV", "PROMPT_COMMAND"}
    | {"PS1", "PS2", "PS4", "SHELLOPTS"}
)
# A mount there would hide what the kernel or the toolbox puts there, or cannot be made.
_TAKEN: Final = ("/proc", "/sys", "/dev", spec.HOST)
_LAST_ID: Final = 2**32 - 2  # the one after it stands for none
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?")


_NO_TEXT: Final = "holds bytes that are no UTF-8, which container engines do not hand on"


@dataclasses.dataclass(frozen=True, slots=True)
class Volume:
    """A directory or file of the host, to be seen in the toolbox."""

    source: str
    target: str
    read_only: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A toolbox to be; no `command` is a shell. `timeout` is in seconds, 0 for none.

    `memory` is in bytes, `pull_timeout` in seconds.
    """

    image: str
    command: tuple[str, ...] = ()
    profile: str = profiles.DEFAULT
    user: str = ""
    workdir: str = ""
    volumes: tuple[Volume, ...] = ()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    host_rw: bool = False
    terminal: bool = False
    interactive: bool = True
    keep: str = ""
    timeout: float = 0.0
    pull_timeout: float = 300.0
    memory: int = 1 << 30
    cpus: float = 2.0
    pids: int = 2048
    wish: Wish = dataclasses.field(default_factory=Wish)
    joining: Joining | None = None


def parse_volume(text: str) -> Volume:
    """`SOURCE:TARGET[:ro|rw]`; `ValueError` says what is wrong."""
    parse_text(text)
    source, _, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    if not source.startswith("/") or not target.startswith("/") or mode not in ("", "ro", "rw"):
        message = f"expected /SOURCE:/TARGET or /SOURCE:/TARGET:ro, not {text!r}"
        raise ValueError(message)
    if set(text) & set(',"\n'):
        message = f"{text!r} holds a comma, a quote or a line break, which engines take apart"
        raise ValueError(message)
    if ".." in PurePosixPath(target).parts or PurePosixPath(target) == PurePosixPath("/"):
        message = f"{target!r} is no place for it"
        raise ValueError(message)
    # As the kernel reads it: `//proc` and `/./proc` are /proc.
    target = "/" + "/".join(part for part in target.split("/") if part not in ("", "."))
    taken = next((place for place in _TAKEN if f"{target}/".startswith(f"{place}/")), "")
    if taken:
        message = f"{target!r} is no place for it: {taken} is the toolbox's own"
        raise ValueError(message)
    if not Path(source).exists():  # docker would make a directory of it
        message = f"there is no {source} on this host"
        raise ValueError(message)
    return Volume(source, str(PurePosixPath(target)), mode == "ro")


def parse_variable(text: str) -> tuple[str, str]:
    """`NAME=VALUE`, or `NAME` for its value here; the error repeats no value."""
    name, given, value = text.partition("=")
    if not _VARIABLE.fullmatch(name):
        message = f"expected NAME=VALUE or NAME, and {name[:40]!r} is no name"
        raise ValueError(message)
    if not given and name not in os.environ:
        message = f"{name} is not set here, so that it has no value to hand on"
        raise ValueError(message)
    value = value if given else os.environ[name]
    if "\0" in value:
        message = f"the value of {name} holds a NUL"
        raise ValueError(message)
    if not _is_text(value):
        message = f"the value of {name} {_NO_TEXT}"
        raise ValueError(message)
    return name, value


def parse_target_variable(name: str) -> str:
    """The name of a target's variable; `ValueError` for one that must not come from there."""
    if not _VARIABLE.fullmatch(name):
        message = f"expected the name of a variable, not {name[:40]!r}"
        raise ValueError(message)
    if name in _OWN:
        message = f"{name} is the toolbox's own; to set it, write --env {name}=VALUE"
        raise ValueError(message)
    if name.startswith("LD_") or name in _BEFORE_ALL:
        message = (
            f"with the target's {name} every program here would run what the target says; "
            f"if that is meant, write --env {name}=VALUE"
        )
        raise ValueError(message)
    return name


def variables(texts: Iterable[str]) -> dict[str, str]:
    return dict(parse_variable(text) for text in texts)


def parse_text(text: str) -> str:
    """Engines replace what is no UTF-8, silently: the command would get other bytes."""
    if not _is_text(text):
        message = f"{text[:40]!r} {_NO_TEXT}"
        raise ValueError(message)
    return text


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes of the command line that are none
        return False
    return True


def parse_user(text: str) -> str:
    if text and not _USER.fullmatch(text):
        message = f"expected USER or USER:GROUP, not {text!r}"
        raise ValueError(message)
    for part in text.split(":"):
        if part.isdecimal() and int(part) > _LAST_ID:
            message = f"{part} is no number of a user or group: the last one is {_LAST_ID}"
            raise ValueError(message)
    return text


def parse_workdir(text: str) -> str:
    parse_text(text)
    if text and (not text.startswith("/") or "\n" in text):
        message = f"expected an absolute path, not {text!r}"
        raise ValueError(message)
    return text


def parse_name(text: str) -> str:
    """The name of a toolbox that is kept, or of a running one."""
    if not NAME.fullmatch(text):
        message = f"{text!r} is no name of a toolbox"
        hint = "Lower case letters, digits, `.`, `_` and `-`, 40 at most."
        raise UsageError("usage.invalid", message, hint)
    return text
