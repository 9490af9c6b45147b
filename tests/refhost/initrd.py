# SPDX-License-Identifier: Apache-2.0
"""The initrd of the reference host: busybox, our own `init`, the modules that reach the disks."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.refhost import recipe

if TYPE_CHECKING:
    from pathlib import Path

_DIRECTORIES = ("bin", "dev", "proc", "sys", "sysroot", "parcel", "modules")


def pack_initrd(root: Path, kernel: str, scratch: Path, target: Path) -> None:
    """Write the initrd, uncompressed: under emulation unpacking costs more than reading.

    `root` must still have busybox, the whole set of modules, and depmod's tables.
    """
    for directory in _DIRECTORIES:
        (scratch / directory).mkdir(parents=True)
    shutil.copy(root / "usr/bin/busybox", scratch / "bin/busybox")
    shutil.copy(recipe.HERE / "init", scratch / "init")
    (scratch / "init").chmod(0o755)
    modules = root / "usr/lib/modules" / kernel
    order = _load_order((modules / "modules.dep").read_text())
    for path in order:
        shutil.copy(modules / path, scratch / "modules")
    names = [path.rpartition("/")[2] for path in order]
    (scratch / "modules/order").write_text("".join(f"{name}\n" for name in names))
    members = sorted(os.fspath(path.relative_to(scratch)) for path in scratch.rglob("*"))
    with target.open("wb") as image:
        subprocess.run(
            ["cpio", "--quiet", "--create", "--format=newc", "--owner=0:0"],
            check=True,
            cwd=scratch,
            input="".join(f"{name}\n" for name in members).encode(),
            stdout=image,
        )


def _load_order(modules_dep: str) -> list[str]:
    """Paths of the wanted modules and of all that they need, each after what it depends on."""
    depends: dict[str, list[str]] = {}
    paths: dict[str, str] = {}
    for line in modules_dep.splitlines():
        path, _, needs = line.partition(":")
        depends[path] = needs.split()
        paths[path.rpartition("/")[2].removesuffix(".ko").replace("-", "_")] = path
    order: list[str] = []

    def add(path: str) -> None:
        for need in depends[path]:
            add(need)
        if path not in order:
            order.append(path)

    for name in recipe.INITRD_MODULES:
        add(paths[name])
    return order
