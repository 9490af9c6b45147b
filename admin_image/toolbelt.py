# SPDX-License-Identifier: Apache-2.0
# pathlib would double the time that this takes to start.
# ruff: noqa: PTH102, PTH110, PTH119, PTH120, PTH123, PTH207, PTH211
"""Our tools in a target whose root is `/`: below a name of our own at its root.

That root is one of ours which shows all that the target has (`stage`), so that the name is not in
the target's reach: it can neither remove nor rename it, nor put anything of its own in its place.
The target's libc is another than ours, or missing: a program of ours is run by our own loader,
which takes our libraries, through one script under many names. The shell and busybox are static.
"""

from __future__ import annotations

import contextlib
import glob
import os

from admin_image import new_root
from admin_image.errors import JoinError
from hostview import kernel

PLACE = "/.hatchway"
SHELL = "/usr/bin/bash-static"
_STATIC = frozenset({"bash-static", "busybox"})
_MINE = kernel.MS_NOSUID | kernel.MS_NODEV
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# One level of links; a name is looked up in lib, where each leads to the program itself.
_RUN = """\
#!{at}/usr/bin/bash-static
name=${{0##*/}}
case $name in
python3*) export PYTHONHOME={at}/usr ;;
curl) [[ -e {certificates} ]] || export CURL_CA_BUNDLE={at}/lib/{certificates_name} ;;
esac
exec {at}{loader} --inhibit-cache --library-path {at}{libraries} \\
    --argv0 "$name" {at}/lib/"$name" "$@"
"""


class Toolbelt:
    """The tools at `place`, a path as the target sees it; below `root` until it is `/`."""

    def __init__(self, root: str, place: str) -> None:
        self.root = root
        self.place = place

    @property
    def shell(self) -> str:
        return self.place + SHELL

    @property
    def path(self) -> str:
        return f"{self.place}/bin"

    @property
    def home(self) -> str:
        """Where programs leave their histories: not in the target."""
        return f"{self.place}/home"

    def lay(self, owner: tuple[int, int]) -> None:
        """Mount the tools; `owner` is the command's user and group, as the host counts them."""
        at = self.root + self.place
        os.mkdir(at)
        kernel.mount("hatchway", at, "tmpfs", _MINE, "mode=0755")
        for name in ("usr", "bin", "lib", "home"):
            os.mkdir(f"{at}/{name}")
        new_root.lay_image("/usr", f"{at}/usr")
        data = f"mode=0700,uid={owner[0]},gid={owner[1]}"
        kernel.mount("hatchway", f"{at}/home", "tmpfs", _MINE, data)
        if os.path.exists(_CERTIFICATES):
            _copy(_CERTIFICATES, f"{at}/lib/{os.path.basename(_CERTIFICATES)}")
        self._name_programs(at)
        flags = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY
        kernel.mount("none", at, flags=flags | _MINE)

    def _name_programs(self, at: str) -> None:
        loader = glob.glob("/usr/lib/*-linux-gnu*/ld-linux-*.so.*")
        if loader:
            self._write_runner(at, loader[0])
        for directory in ("/usr/sbin", "/usr/bin"):
            for entry in os.scandir(directory):
                program = os.path.realpath(entry.path)
                static = os.path.basename(program) in _STATIC
                if not static and not (loader and _is_elf(program)):
                    continue  # a script would ask for an interpreter by a path of the target
                _link(
                    f"{self.place}/run" if not static else self.place + program,
                    f"{at}/bin/{entry.name}",
                )
                if not static:
                    _link(self.place + program, f"{at}/lib/{entry.name}")

    def _write_runner(self, at: str, loader: str) -> None:
        text = _RUN.format(
            at=self.place, loader=loader, libraries=os.path.dirname(loader),
            certificates=_CERTIFICATES, certificates_name=os.path.basename(_CERTIFICATES),
        )  # fmt: skip
        with open(f"{at}/run", "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o755)


def choose_place(names: list[str], wanted: str = "") -> str:
    """A place at the target's root, which has `names`; `JoinError` for one that it has."""
    place = os.path.normpath(wanted or PLACE)
    reason = ""
    if place.count("/") != 1 or place == "/" or any(char in place for char in " \t\n\"'\\$`"):
        reason = "it is no plain name at the root"
    elif place[1:] in names:
        reason = "the target has it"
    if not reason:
        return place
    hint = "Name what the target does not have at its root: --tools-at /NAME"
    raise JoinError("target.no-place", f"{place} is no place for the tools: {reason}", hint)


def _is_elf(program: str) -> bool:
    try:
        with open(program, "rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def _link(target: str, place: str) -> None:
    with contextlib.suppress(FileExistsError):  # in /usr/sbin and in /usr/bin
        os.symlink(target, place)


def _copy(source: str, target: str) -> None:
    with open(source, "rb") as file, open(target, "wb") as copy:
        copy.write(file.read())
