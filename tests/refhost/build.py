# SPDX-License-Identifier: Apache-2.0
"""Builds the reference host; also a program: `python -m tests.refhost.build`."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import lzma
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.refhost import initrd, recipe, rootfs

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCRATCH = "building-"


@dataclasses.dataclass(frozen=True, slots=True)
class Images:
    """A finished build. The files are shared by all machines and never written to."""

    directory: Path

    @property
    def kernel(self) -> Path:
        return self.directory / "kernel"

    @property
    def initrd(self) -> Path:
        return self.directory / "initrd"

    @property
    def root(self) -> Path:
        return self.directory / "root.squashfs"

    @property
    def var(self) -> Path:
        """The template of every machine's data disk."""
        return self.directory / "var.img"


def build() -> Images:
    """Return the images of the recipe as it is now, after building them if need be."""
    images = Images(recipe.CACHE / recipe.recipe_hash())
    if images.directory.exists():
        return images
    recipe.CACHE.mkdir(parents=True, exist_ok=True)
    with _locked(recipe.CACHE / "lock"):
        # Another process may have built it while we waited for the lock.
        if not images.directory.exists():
            for abandoned in recipe.CACHE.glob(f"{_SCRATCH}*"):
                shutil.rmtree(abandoned)
            _build(images.directory)
    return images


def _build(target: Path) -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=recipe.CACHE, prefix=_SCRATCH) as scratch:
        root, out = Path(scratch, "root"), Images(Path(scratch, "out"))
        out.directory.mkdir()
        with _step("unpack the packages"):
            rootfs.extract(root)
        (kernel,) = (path.name for path in (root / "usr/lib/modules").iterdir())
        with _step("pack the initrd"):
            rootfs.index_modules(root, kernel)
            initrd.pack_initrd(root, kernel, Path(scratch, "initrd"), out.initrd)
            out.kernel.write_bytes(_unpacked((root / f"boot/vmlinuz-{kernel}").read_bytes()))
        with _step("make the root tree"):
            rootfs.furnish(root, kernel)
        with _step("pack the root"):
            _pack_root(root, out.root)
        with _step("make the data disk"):
            var = Path(scratch, "var")
            rootfs.make_var(var)
            _make_disk(var, out.var)
        out.directory.rename(target)
    _say(f"built {target.name} in {time.monotonic() - began:.1f} s")


def _unpacked(kernel: bytes) -> bytes:
    """Return the ELF image inside a bzImage.

    QEMU starts it directly (PVH), which saves the emulated processor some seconds of xz. The
    offsets are those of the boot protocol, Documentation/x86/boot.rst: setup_sects,
    payload_offset, payload_length.
    """
    setup_sectors = kernel[0x1F1]
    offset, length = struct.unpack_from("<II", kernel, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    # The payload ends with its unpacked size, which is no part of the xz stream.
    return lzma.LZMADecompressor().decompress(kernel[start : start + length])


def _pack_root(root: Path, target: Path) -> None:
    # lz4 unpacks fastest, which is what counts on an emulated processor.
    argv = ["mksquashfs", os.fspath(root), os.fspath(target), "-comp", "lz4", "-noappend"]
    argv += ["-all-root", "-no-progress", "-quiet"]
    _run(argv)


def _make_disk(tree: Path, target: Path) -> None:
    argv = ["mke2fs", "-q", "-t", "ext4", "-d", os.fspath(tree), "-E", "root_owner=0:0"]
    argv += ["-L", "var", os.fspath(target), recipe.DISK_SIZE]
    _run(argv)


def _run(argv: list[str]) -> None:
    # Our own stdout is for the name of the build.
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _step(name: str) -> Iterator[None]:
    _say(f"{name} ...")
    began = time.monotonic()
    yield
    _say(f"{name}: {time.monotonic() - began:.1f} s")


def _say(text: str) -> None:
    print(f"refhost: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    print(build().directory)
