#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Build `hatchway` as a program that needs nothing of its host but a kernel.

    .venv/bin/python tools/build_bundle.py [--force]

PyInstaller collects Python and the libraries (tools/bundle/hatchway.spec says which). Then glibc
and its loader move in: the executable names that loader by its absolute path, so the directory
dist/hatchway works at /opt/hatchway and nowhere else. Nothing is done when the inputs are those of
the bundle that is already there.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).resolve().parent.parent
WORK: Final = ROOT / ".cache" / "bundle"
STAMP: Final = WORK / "inputs"
# Built aside: whoever runs the last bundle keeps it until the new one is whole.
BUNDLE: Final = WORK / "new" / "hatchway"
DIST: Final = ROOT / "dist"
LIBRARIES: Final = BUNDLE / "_internal"
# The loader's path stands in the executable, so where the bundle is installed is decided here.
PREFIX: Final = "/opt/hatchway"
# The parts of glibc: those that older programs link on their own are stubs since 2.34.
GLIBC: Final = (
    "libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libresolv.so.2",
    "libutil.so.1", "libnss_files.so.2", "libnss_dns.so.2", "libnss_compat.so.2",
)  # fmt: skip
STEADY: Final = {
    # Hash order and the time of day would end up in what PyInstaller writes.
    "PYTHONHASHSEED": "1",
    "SOURCE_DATE_EPOCH": "0",
    # Unpacking each module costs a tenth of a short command, and spares 8 MiB of disk.
    "PYINSTALLER_ZLIB_COMPRESSION_LEVEL": "0",
}
MEBIBYTE: Final = 1 << 20
# Written by tools/build_image.py, read by launcher/own_images.py.
DIGESTS: Final = "launcher/own_images.json"
# What is frozen into it.
PACKAGES: Final = ("launcher", "toolbox", "hostview")


class BuildError(Exception):
    """A sentence for whoever runs the build."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build the self-contained program.")
    parser.add_argument("--force", action="store_true", help="build although nothing has changed")
    try:
        build(force=parser.parse_args(arguments).force)
    except (BuildError, subprocess.CalledProcessError, OSError) as error:
        print(f"build_bundle: {error}", file=sys.stderr)
        return 1
    return 0


def build(*, force: bool) -> None:
    stamp = inputs()
    if not force and archive().exists() and STAMP.exists() and STAMP.read_text() == stamp:
        if add_digests(DIST / BUNDLE.name):
            pack()
            print(
                f"{archive().relative_to(ROOT)}: nothing has changed but the digests of the images"
            )
        else:
            print(f"{archive().relative_to(ROOT)}: nothing has changed, it stays")
        return
    start = time.monotonic()
    STAMP.unlink(missing_ok=True)
    freeze()
    loader = add_glibc()
    seal(loader)
    use_loader(loader)
    check_libraries()
    add_digests(BUNDLE)
    DIST.mkdir(exist_ok=True)
    shutil.rmtree(DIST / BUNDLE.name, ignore_errors=True)
    BUNDLE.rename(DIST / BUNDLE.name)
    pack()
    STAMP.write_text(stamp)
    report(time.monotonic() - start)


def inputs() -> str:
    """Digest of everything that the build reads, this file among it."""
    digest = hashlib.sha256(f"{sys.version} {platform.libc_ver()} {platform.machine()}".encode())
    for path in sources():
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest() + "\n"


def sources() -> list[Path]:
    own = [Path(__file__), *(ROOT / "tools" / "bundle").iterdir()]
    specs = [ROOT / f"{name}_image" / "spec.py" for name in ("admin", "bootstrap")]
    lone = [ROOT / "uv.lock", ROOT / "pyproject.toml", *specs]
    code = [path for name in PACKAGES for path in ROOT.glob(f"{name}/**/*.py")]
    data = [*ROOT.glob("toolbox/**/*.conf"), *ROOT.glob("toolbox/**/*.css")]
    return sorted(path for path in [*own, *lone, *code, *data] if path.is_file())


def freeze() -> None:
    """Let PyInstaller fill the directory, with the same bytes from the same sources."""
    for program in ("strip", "objcopy"):
        if not shutil.which(program):
            raise BuildError(f"{program} is missing: apt-get install binutils")
    WORK.mkdir(parents=True, exist_ok=True)
    tool(
        "pyinstaller", "--noconfirm", "--clean", "--log-level=ERROR",
        f"--distpath={BUNDLE.parent}", f"--workpath={WORK / 'work'}",
        os.fspath(ROOT / "tools" / "bundle" / "hatchway.spec"),
    )  # fmt: skip


def add_glibc() -> Path:
    """Copy this machine's glibc into the bundle, and give its loader there."""
    home = glibc_home()
    interpreter = Path(tool("patchelf", "--print-interpreter", os.fspath(BUNDLE / "hatchway")))
    for source in [interpreter, *(home / name for name in GLIBC if (home / name).exists())]:
        shutil.copy(source.resolve(), LIBRARIES / source.name)
    return LIBRARIES / interpreter.name


def glibc_home() -> Path:
    """Where the C library lies that runs this script."""
    maps = Path("/proc/self/maps").read_text()
    found = re.search(r"(/\S+)/libc[.-]\S*so", maps)
    if not found:
        raise BuildError("this Python does not run on glibc")
    return Path(found[1])


def seal(loader: Path) -> None:
    """Make the libraries forget where a host keeps such things, so that they load none of them.

    They would look there for what is not in the bundle: preloads, modules that nsswitch.conf,
    openssl.cnf or the locale ask for, all built for another libc. The names are compiled in.
    """
    usual = rb"/lib(?=(?:64)?/)"
    places = {
        loader: (usual, rb"/etc(?=/ld\.so\.(?:cache|preload)\0)"),
        LIBRARIES / "libc.so.6": (usual,),
        # Its certificates and openssl.cnf (/usr/lib/ssl) stay the host's.
        LIBRARIES / "libcrypto.so.3": (rb"/lib(?=(?:64)?/(?:[\w-]+/)?(?:engines-|ossl-modules))",),
    }
    for library, patterns in places.items():
        image = library.read_bytes()
        for pattern in patterns:
            image, count = re.subn(pattern, b"/nil", image)
            if not count:
                raise BuildError(f"{library.name} does not look in the usual places")
        library.write_bytes(image)


def use_loader(loader: Path) -> None:
    """Run the program by the bundle's loader, with the bundle's libraries before any others."""
    tool(
        "patchelf", "--set-interpreter", f"{PREFIX}/{loader.relative_to(BUNDLE)}",
        # An rpath, not a runpath: it outranks the caller's LD_LIBRARY_PATH and holds for dlopen.
        "--force-rpath", "--set-rpath", "$ORIGIN/_internal", os.fspath(BUNDLE / "hatchway"),
    )  # fmt: skip


def check_libraries() -> None:
    """Refuse a bundle that would need a library of its host."""
    present = {path.name for path in LIBRARIES.iterdir()}
    for binary in binaries():
        if missing := set(tool("patchelf", "--print-needed", os.fspath(binary)).split()) - present:
            raise BuildError(f"{binary.name} needs {', '.join(sorted(missing))}")


def binaries() -> Iterator[Path]:
    for path in sorted(BUNDLE.rglob("*")):
        if path.is_file() and path.read_bytes()[:4] == b"\x7fELF":
            yield path


def add_digests(bundle: Path) -> bool:
    """Bring what the images are that were built last, if any were; whether that is new in it.

    Not among the inputs: another image is no other program.
    """
    known = ROOT / DIGESTS
    place = bundle / LIBRARIES.name / DIGESTS
    if not known.exists() or (place.exists() and place.read_bytes() == known.read_bytes()):
        return False
    place.parent.mkdir(exist_ok=True)
    fresh = place.with_suffix(".new")
    shutil.copyfile(known, fresh)
    fresh.rename(place)
    return True


def pack() -> None:
    """Write the archive, the same bytes for the same files."""
    bundle = DIST / BUNDLE.name
    with (
        gzip.GzipFile(archive(), "wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for path in [bundle, *sorted(bundle.rglob("*"))]:
            member = tar.gettarinfo(path, os.fspath(path.relative_to(DIST)))
            member.uid = member.gid = member.mtime = 0
            member.uname = member.gname = "root"
            member.mode = 0o755 if member.isdir() or path.name == "hatchway" else 0o644
            tar.addfile(member, io.BytesIO(path.read_bytes() if member.isfile() else b""))


def archive() -> Path:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return DIST / f"hatchway-{project['version']}-{platform.machine()}.tar.gz"


def report(seconds: float) -> None:
    bundle = DIST / BUNDLE.name
    files = [path for path in bundle.rglob("*") if path.is_file()]
    unpacked, compressed = sum(path.stat().st_size for path in files), archive().stat().st_size
    print(f"{archive().relative_to(ROOT)} in {seconds:.0f} s")
    print(f"  {unpacked / MEBIBYTE:.1f} MiB unpacked, {compressed / MEBIBYTE:.1f} MiB compressed")
    for path in sorted(files, key=lambda path: -path.stat().st_size)[:10]:
        print(f"  {path.stat().st_size / MEBIBYTE:7.1f} MiB  {path.relative_to(bundle)}")


def tool(name: str, *arguments: str) -> str:
    """Run a program of this environment; what it printed."""
    program = Path(sys.executable).with_name(name)
    if not program.exists():
        raise BuildError(f"{name} is missing: uv sync --group bundle")
    done = subprocess.run(
        (program, *arguments),
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        env={**os.environ, **STEADY},
    )
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
