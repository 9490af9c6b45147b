# SPDX-License-Identifier: Apache-2.0
"""The root tree of the reference host: Debian's packages unpacked, unconfigured, thinned out."""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.refhost import recipe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ELSEWHERE = ("dev", "proc", "sys", "run", "tmp", "var")
_VAR_DIRECTORIES = (
    "cache",
    "home",
    "lib",
    "log/journal",
    "mnt",
    "opt",
    "roothome",
    "spool",
    "tmp",
    "usrlocal",
)


def extract(root: Path) -> None:
    """Unpack the packages. Their maintainer scripts never run, so nothing here needs a shell."""
    argv = ["mmdebstrap", "--quiet", "--mode=root", "--variant=extract", "--format=directory"]
    argv += [f"--keyring={recipe.KEYRING}", "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"]
    argv += ['--aptopt=Apt::Install-Recommends "false"', '--aptopt=Acquire::Languages "none"']
    argv += [f"--include={','.join(recipe.PACKAGES)}", recipe.SUITE, os.fspath(root), recipe.SOURCE]
    done = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, capture_output=True)
    # It is talkative, which is of interest only when it fails.
    if done.returncode:
        raise RuntimeError(f"mmdebstrap failed:\n{done.stderr.decode(errors='replace')}")


def index_modules(root: Path, kernel: str) -> None:
    """Write the modules' tables, by the host's own depmod: the build machine may have none."""
    subprocess.run(["chroot", os.fspath(root), "/usr/sbin/depmod", kernel], check=True)


def furnish(root: Path, kernel: str) -> None:
    """Turn the packages into the host: remove what it must not have, add what is its own."""
    _keep_modules(root, kernel)
    _keep_etc(root)
    _remove_programs(root)
    for tree in recipe.TREES_REMOVED:
        shutil.rmtree(root / tree, ignore_errors=True)
        (root / tree).unlink(missing_ok=True)
    _lay_out(root)
    shutil.copytree(recipe.HERE / "host", root, dirs_exist_ok=True)
    _write_etc(root)
    _set_wants(root)
    _remove_dangling(root)
    index_modules(root, kernel)
    subprocess.run(["chroot", os.fspath(root), "/usr/sbin/ldconfig"], check=True)


def make_var(var: Path) -> None:
    """Make the tree that a new data disk starts with."""
    for directory in _VAR_DIRECTORIES:
        (var / directory).mkdir(parents=True)
    (var / "roothome").chmod(0o700)
    (var / "tmp").chmod(0o1777)
    (var / "run").symlink_to("/run")
    (var / "lock").symlink_to("/run/lock")


def _keep_modules(root: Path, kernel: str) -> None:
    directory = root / "usr/lib/modules" / kernel / "kernel"
    for path in _files(directory):
        name = os.fspath(path.relative_to(directory))
        if not any(name == kept or name.startswith(f"{kept}/") for kept in recipe.MODULE_TREES):
            path.unlink()


def _keep_etc(root: Path) -> None:
    for path in (root / "etc").iterdir():
        if path.name not in recipe.ETC_KEPT:
            _remove(path)
    # Links that enable units belong to /usr here, see _set_wants.
    for directory in (root / "etc/systemd").glob("*/*.wants"):
        shutil.rmtree(directory)


def _remove_programs(root: Path) -> None:
    for path in _files(root):
        unwanted = any(fnmatch.fnmatch(path.name, name) for name in recipe.PROGRAMS_REMOVED)
        in_bin = path.parent in {root / "usr/bin", root / "usr/sbin"}
        if (in_bin and unwanted) or _is_script(path):
            path.unlink()


def _is_script(path: Path) -> bool:
    if path.is_symlink() or not path.is_file() or not path.stat().st_mode & 0o111:
        return False
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def _lay_out(root: Path) -> None:
    for directory in _ELSEWHERE:
        (root / directory).mkdir(exist_ok=True)
    for link, target in recipe.LINKS_INTO_VAR.items():
        (root / link).symlink_to(target)


def _write_etc(root: Path) -> None:
    etc = root / "etc"
    (etc / "os-release").symlink_to("../usr/lib/os-release")
    (etc / "mtab").symlink_to("../proc/self/mounts")
    (etc / "hostname").write_text("refhost\n")
    # systemd mounts nothing by itself: the initrd has mounted / and /var.
    (etc / "fstab").write_text("")
    # Replaced in the overlay at the first boot, by the initrd.
    (etc / "machine-id").write_text("")
    (etc / "passwd").write_text("".join(_account(*user) for user in recipe.USERS.items()))
    (etc / "shadow").write_text("".join(f"{name}:*:19000::::::\n" for name in recipe.USERS))
    (etc / "shadow").chmod(0o600)
    (etc / "group").write_text("".join(f"{name}:x:{gid}:\n" for name, gid in recipe.GROUPS.items()))
    authorities = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    (etc / "ssl/certs").mkdir(parents=True, exist_ok=True)
    bundle = "".join(path.read_text() for path in authorities)
    (etc / "ssl/certs/ca-certificates.crt").write_text(bundle)


def _account(name: str, uid: int) -> str:
    home = "/root" if name == "root" else "/"
    return f"{name}:x:{uid}:{recipe.GROUPS.get(name, uid)}::{home}:/usr/sbin/nologin\n"


def _set_wants(root: Path) -> None:
    units = root / "usr/lib/systemd/system"
    for unwanted in recipe.WANTS_REMOVED:
        for link in units.glob(f"*.wants/{unwanted}"):
            link.unlink()
    for target, wanted in recipe.WANTS.items():
        directory = units / f"{target}.wants"
        directory.mkdir(exist_ok=True)
        for unit in wanted:
            (directory / unit).symlink_to(f"../{unit}")
    (units / "default.target").unlink()
    (units / "default.target").symlink_to("multi-user.target")
    shutil.copy(root / "usr/share/systemd/tmp.mount", units / "tmp.mount")


def _remove_dangling(root: Path) -> None:
    """Remove links to what is gone. Absolute links are read as the host will read them."""
    removed = True
    while removed:
        removed = False
        for path in _files(root / "usr"):
            if not path.is_symlink() or path == root / "usr/local":
                continue
            target = path.readlink()
            inside = (
                root / target.relative_to("/") if target.is_absolute() else path.parent / target
            )
            if not inside.exists() and not inside.is_symlink() and target.parts[:2] != ("/", "dev"):
                path.unlink()
                removed = True


def _files(tree: Path) -> Iterator[Path]:
    for directory, names, files in os.walk(tree):
        here = tree / directory
        yield from (here / name for name in files)
        yield from (here / name for name in names if (here / name).is_symlink())


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
