# SPDX-License-Identifier: Apache-2.0
"""Files that other toolboxes read: their variables are taken for what they mean, never executed.

CoreOS, Flatcar and COS `source` /etc/default/toolbox and ~/.toolboxrc with the rights of the
toolbox; here a line is NAME=VALUE, in quotes or not, and everything else is ignored and named.
"""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from toolbox.request import Volume, parse_user, parse_variable, parse_volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SYSTEM: Final = Path("/etc/default/toolbox")
OWN: Final = ".toolboxrc"
SIZE_LIMIT: Final = 1 << 16
# Names that these toolboxes know and that mean nothing here.
_WITHOUT_MEANING: Final = frozenset({"TOOLBOX_DIRECTORY", "TOOLBOX_FLAGS", "TOOLBOX_NAME"})
_BINDS: Final = {"--bind": "rw", "--bind-ro": "ro"}
_VIEWS: Final = ("/media/root", "/host", "/run/host")  # of the host: at /host in any case


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What the files ask for; empty where they say nothing. `ignored` is for the user to read."""

    image: str = ""
    user: str = ""
    authfile: str = ""
    volumes: tuple[Volume, ...] = ()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    files: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def read(home: Path, *, system: Path = SYSTEM) -> Habits:
    """The system's file, then the user's own, which wins."""
    variables: dict[str, str] = {}
    files: list[str] = []
    ignored: list[str] = []
    for path in (system, home / OWN):
        try:
            with path.open("rb") as stream:
                text = stream.read(SIZE_LIMIT).decode("utf-8", "replace")
        except OSError:
            continue
        files.append(str(path))
        ignored += [f"{path}:{number}" for number in _parse(text, variables)]
    return _meaning(variables, tuple(files), ignored)


def _parse(text: str, variables: dict[str, str]) -> Iterator[int]:
    """Fill `variables`; the numbers of the lines that are no assignment."""
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, given, value = stripped.removeprefix("export ").partition("=")
        try:
            words = shlex.split(value, comments=True)
        except ValueError:
            words = ["", ""]
        # Whatever a shell would have to compute is not taken for text.
        if not given or not name.isidentifier() or len(words) > 1 or set(value) & set("$`"):
            yield number
            continue
        variables[name] = words[0] if words else ""


def _meaning(variables: dict[str, str], files: tuple[str, ...], ignored: list[str]) -> Habits:
    taken: set[str] = set()

    def value(name: str) -> str:
        taken.add(name)
        return variables.get(name, "")

    volumes = list(_volumes(value("TOOLBOX_BIND"), ignored))
    environment = dict(_environment(value("TOOLBOX_ENV"), ignored))
    user = value("TOOLBOX_USER")
    try:
        parse_user(user)
    except ValueError:
        ignored.append("TOOLBOX_USER")
        user = ""
    habits = Habits(
        image=_image(value("TOOLBOX_DOCKER_IMAGE"), value("TOOLBOX_DOCKER_TAG"))
        or _joined(value("REGISTRY"), value("IMAGE")),
        user=user,
        authfile=value("AUTHFILE"),
        volumes=tuple(volumes),
        environment=environment,
        files=files,
    )
    ignored += [name for name in variables if name in _WITHOUT_MEANING or name not in taken]
    return dataclasses.replace(habits, ignored=tuple(ignored))


def _image(image: str, tag: str) -> str:
    return f"{image}:{tag}" if image and tag else image


def _joined(registry: str, image: str) -> str:
    return f"{registry}/{image}" if registry and image else image


def _volumes(text: str, ignored: list[str]) -> Iterator[Volume]:
    """systemd-nspawn's `--bind=SOURCE[:TARGET]` and `--bind-ro=`."""
    for word in text.split():
        flag, _, place = word.partition("=")
        source, _, target = place.partition(":")
        if (target or source).startswith(_VIEWS):
            continue
        mode = _BINDS.get(flag, "neither")
        try:
            yield parse_volume(f"{source}:{target or source}:{mode}")
        except ValueError:
            ignored.append(f"TOOLBOX_BIND: {word}")


def _environment(text: str, ignored: list[str]) -> Iterable[tuple[str, str]]:
    """systemd-nspawn's `--setenv=NAME=VALUE`; the value of what is odd is not repeated."""
    for word in text.split():
        try:
            yield parse_variable(word.removeprefix("--setenv="))
        except ValueError:
            ignored.append("TOOLBOX_ENV")
