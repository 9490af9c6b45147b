# SPDX-License-Identifier: Apache-2.0
"""The door through which modules act on the host: its files, its programs, its kernel."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootstrap_image import hostfile
from bootstrap_image.hostfile import Attributes
from bootstrap_image.places import below
from bootstrap_image.spec import HOST, TMP, WRITABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PROGRAM_LIMIT = 240.0  # seconds; making a file system on a large slow disk takes a while


class ModuleError(Exception):
    """A setting could not be made; a sentence says why."""


class Host:
    """Paths are the container's, which are those of the host; tests give another `root`."""

    def __init__(self, root: str = "/") -> None:
        self._root = Path(root)

    def path(self, name: str) -> Path:
        return self._root / name.lstrip("/")

    def read(self, name: str) -> str:
        """The text of a file that may be missing."""
        try:
            return self.path(name).read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return ""

    def exists(self, name: str) -> bool:
        return self.path(name).exists()

    def on_host(self, name: str) -> bool:
        """Whether the host's own root has it: a program, a unit."""
        return self.path(f"{HOST}{name}").exists()

    def run(self, *argv: str, given: str | None = None, ok: Iterable[int] = (0,)) -> str:
        """A program of the image; what it printed."""
        try:
            done = subprocess.run(
                argv, input=given, stdin=subprocess.DEVNULL if given is None else None,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                timeout=PROGRAM_LIMIT, check=False,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise ModuleError(f"{argv[0]} is not in the bootstrap image") from error
        except subprocess.TimeoutExpired as error:
            raise ModuleError(f"{argv[0]} did not end within {PROGRAM_LIMIT:.0f} s") from error
        if done.returncode not in ok:
            # Never the arguments: mount options and the like may hold a password.
            reason = _reason(argv[0], done.stdout)
            raise ModuleError(f"{argv[0]} failed with {done.returncode}: {reason}")
        return done.stdout

    def write(
        self, name: str, data: bytes, *,
        mode: int | None = None, owner: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        """Replace a file; without `mode` and `owner` it keeps its own."""
        hostfile.replace(self._inside(name), data, Attributes(mode, owner))

    def append(
        self, name: str, data: bytes, *,
        mode: int | None = None, owner: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        target = self._inside(name)
        if target.is_symlink():
            # What it leads to is written: that must be inside as well.
            target = self._inside(self.real(name))
        hostfile.append(target, data, Attributes(mode, owner))

    def link(self, name: str, target: str) -> None:
        """A symbolic link, in place of whatever was there."""
        place = self._inside(name)
        fresh = place.with_name(f".{place.name[:200]}.hatchway")
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        fresh.symlink_to(target)
        fresh.replace(place)

    def reserve(self, name: str, size: int) -> None:
        """A new file of `size` bytes that are really there, for root alone."""
        target = self._inside(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(target, flags, 0o600), "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)

    def make_directory(self, name: str, *, mode: int, owner: tuple[int, int]) -> bool:
        """Whether it was made; one that is there stays as it is."""
        target = self._inside(name)
        if target.exists():
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        # Beside it first: one that a power cut left without its owner would stay so.
        fresh = target.with_name(f".{target.name[:200]}.hatchway")
        with contextlib.suppress(FileExistsError):
            fresh.mkdir(0o700)
        descriptor = os.open(fresh, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchown(descriptor, *owner)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh.rename(target)
        return True

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._inside(name).unlink()

    def rename(self, name: str, to: str) -> None:
        self._inside(name).replace(self._inside(to))

    def real(self, name: str) -> str:
        """Where links lead to, as a path of the host."""
        real = self.path(name).resolve()
        if not self._within(real):
            raise ModuleError(f"{name} leads out of the host by a link")
        return f"/{real.relative_to(self._root.resolve())}"

    def say(self, message: str) -> None:
        sys.stdout.write(f"{message}\n")
        sys.stdout.flush()

    def each(self, items: Iterable[Any], act: Callable[[Any], None]) -> None:
        """Do all that can be done, then say everything that could not."""
        problems = list[str]()
        for item in items:
            try:
                act(item)
            except (ModuleError, OSError) as error:
                problems.append(str(error))
        if problems:
            raise ModuleError("; ".join(problems))

    def require_inside(self, name: str) -> None:
        """Refuse a path that a link leads out of the host's writable directories."""
        self._inside(name)

    def _inside(self, name: str) -> Path:
        """Where links lead: one that leaves the host's directories would write into the image."""
        target = self.path(name)
        real = target.parent.resolve() / target.name
        shown = f"/{real.relative_to(self._root.resolve())}" if self._within(real) else ""
        if not below(shown, (*WRITABLE, TMP)):
            raise ModuleError(f"{name} leads out of the host's writable directories by a link")
        return real

    def _within(self, real: Path) -> bool:
        return real.is_relative_to(self._root.resolve())


def _reason(program: str, output: str) -> str:
    """The line in which a program says what was wrong: its name before it, or else the last."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    named = [line for line in lines if line.startswith(f"{program}: ")]
    return (named or lines or ["it did not say why"])[-1][:300]
