# SPDX-License-Identifier: Apache-2.0
# pathlib would double the time that this takes to start.
# ruff: noqa: PTH102, PTH110, PTH119, PTH120, PTH123, PTH207, PTH208, PTH211
"""Our tools in a target whose root is `/`: mounted on an empty directory that it has already.

The mount is seen by this session alone, and no directory is ever made in the target. Its libc is
another than ours, or missing: a program of ours is run by our own loader, which takes our
libraries, through one script under many names. The shell and busybox are static.
"""

from __future__ import annotations

import contextlib
import glob
import os
import stat

from admin_image.errors import JoinError
from hostview import kernel

# Where hardly anybody keeps anything; then what engines mask; then what may be wanted later.
PLACES = (
    "/mnt", "/media", "/srv", "/opt", "/home", "/boot", "/var/opt", "/var/local", "/var/empty",
    "/usr/local", "/usr/games", "/usr/src", "/proc/acpi", "/proc/scsi", "/sys/firmware",
    "/dev/mqueue", "/var/tmp", "/run", "/tmp", "/dev/shm",  # noqa: S108 - the target's
)  # fmt: skip
SHELL = "/usr/bin/bash-static"
_STATIC = frozenset({"bash-static", "busybox"})
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
        data = f"mode=0755,uid={owner[0]},gid={owner[1]}"
        kernel.mount("hatchway", at, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, data)
        for name in ("usr", "bin", "lib", "home"):
            os.mkdir(f"{at}/{name}")
        os.chown(f"{at}/home", *owner)
        programs = kernel.open_tree(kernel.AT_FDCWD, "/usr", kernel.OPEN_TREE_CLONE)
        kernel.move_mount(programs, f"{at}/usr")
        flags = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NODEV
        kernel.mount("none", f"{at}/usr", flags=flags)
        if os.path.exists(_CERTIFICATES):
            _copy(_CERTIFICATES, f"{at}/lib/{os.path.basename(_CERTIFICATES)}")
        self._name_programs(at)

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


def find_place(root: str, wanted: str = "") -> str:
    """Find an empty directory below `root`, by its path there; `JoinError` when there is none."""
    if wanted:
        if reason := _unfit(root, os.path.normpath(wanted)):
            hint = "Name an empty directory that the target has: --tools-at DIR"
            raise JoinError(
                "target.no-place", f"{wanted} is no place for the tools: {reason}", hint
            )
        return os.path.normpath(wanted)
    others = [f"/{name}" for name in sorted(os.listdir(root))]
    for place in (*PLACES, *others):
        if not _unfit(root, place):
            return place
    hint = "Name an empty directory with --tools-at DIR; without --root target none is needed."
    raise JoinError("target.no-place", "the target has no empty directory for the tools", hint)


def _unfit(root: str, place: str) -> str:
    """Why not here, or nothing. A link would lead out of the target."""
    if not place.startswith("/") or place == "/" or any(char in place for char in " \t\n\"'\\$`"):
        return "it is no plain absolute path"
    path = root
    try:
        for name in place.strip("/").split("/"):
            path = f"{path}/{name}"
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                return "it is no directory"
        return "it is not empty" if os.listdir(path) else ""
    except OSError as error:
        return (error.strerror or str(error)).lower()


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
