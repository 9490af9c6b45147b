#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Build an image and save it as an archive that every engine loads.

    python3 tools/build_image.py [admin|bootstrap] [--base IMAGE] [--suite trixie] [--force]

The base is made from signed Debian packages by mmdebstrap unless `--base` names one. Nothing is
done when the inputs are those of the archive that is already there, except that its digest is
written down for the program. Standard library only: it runs before the project has an environment.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import fcntl
import gzip
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
# Read by launcher/own_images.py.
DIGESTS = ROOT / "launcher" / "own_images.json"
MIRROR = "http://deb.debian.org/debian"
# Debian's own files of the archive keys; mmdebstrap refuses a suite that they did not sign.
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
TRIXIE_KEY = "/usr/share/keyrings/debian-archive-trixie-stable.gpg"
# What containerd 1.4 and docker 20.10 unpack; they know no zstd.
GZIP_LEVEL = 6
MEBIBYTE = 1 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """One of ours: `Containerfile.NAME` and the package `NAME_image` become `hatchway-NAME`.

    `hostview` is in each.
    """

    name: str

    @property
    def repository(self) -> str:
        return f"localhost/hatchway-{self.name}"

    @property
    def tag(self) -> str:
        return f"{self.repository}:{version()}"

    @property
    def archive(self) -> Path:
        return CACHE / "images" / f"hatchway-{self.name}.tar"

    @property
    def stamp(self) -> Path:
        return self.archive.with_suffix(".inputs")

    @property
    def containerfile(self) -> Path:
        return ROOT / f"Containerfile.{self.name}"

    def sources(self) -> list[Path]:
        package = ROOT / f"{self.name}_image"
        return sorted(
            [
                *package.rglob("*.py"),
                *(ROOT / "hostview").glob("*.py"),
                *(file for file in package.glob("static/*") if file.is_file()),
            ]
        )


ADMIN = Image("admin")
BOOTSTRAP = Image("bootstrap")
IMAGES = {image.name: image for image in (ADMIN, BOOTSTRAP)}
# As whoever needs only the admin image knows them.
NAME = ADMIN.repository
ARCHIVE = ADMIN.archive


class BuildError(Exception):
    """A sentence for whoever runs the build."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        with _alone():
            build(options)
    except (BuildError, subprocess.CalledProcessError, OSError) as error:
        print(f"build_image: {error}", file=sys.stderr)
        return 1
    return 0


def build(options: argparse.Namespace) -> None:
    image = IMAGES[options.image]
    stamp = inputs(image, options)
    if not options.force and _built(image, stamp):
        print(f"{image.tag}: nothing has changed, {image.archive.relative_to(ROOT)} stays")
        write_down(image)
        return
    need("podman")
    start = time.monotonic()
    before = _image_id(image.tag)
    base = options.base or _debian(options.suite)
    podman(
        "build", "--network=host", "--layers=false", f"--build-arg=BASE={base}",
        f"--tag={image.tag}", f"--tag={image.repository}:latest",
        f"--label=org.opencontainers.image.version={version()}",
        f"--file={image.containerfile}", os.fspath(_context(image)),
    )  # fmt: skip
    _save(image)
    if before and before != _image_id(image.tag):
        _forget(before)
    write_down(image)
    image.stamp.write_text(stamp)
    report(image, time.monotonic() - start)


def write_down(image: Image) -> None:
    """Tell the program what its own image is, so that no archive can call itself that."""
    known = json.loads(DIGESTS.read_text()) if DIGESTS.exists() else {}
    found = {**known, image.repository: config_digest(image.archive)}
    if found != known:
        fresh = DIGESTS.with_suffix(".new")
        fresh.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
        fresh.rename(DIGESTS)


def config_digest(archive: Path) -> str:
    """Digest of the configuration of the image in an archive of docker's form, which names it."""
    with tarfile.open(archive) as tar:
        member = tar.extractfile("manifest.json")
        assert member is not None  # noqa: S101 - such an archive has it
        (image,) = json.load(member)
    return "sha256:" + str(image["Config"]).removesuffix(".json")


def inputs(image: Image, options: argparse.Namespace) -> str:
    """Digest of everything that the build reads, this file among it."""
    digest = hashlib.sha256(f"{options.base} {options.suite} {version()}".encode())
    for path in [image.containerfile, Path(__file__), *image.sources()]:
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest() + "\n"


def version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return str(project["project"]["version"])


def podman(*arguments: str, capture: bool = False) -> str:
    """Run podman under this machine's limits; its output when `capture`."""
    done = subprocess.run(
        ("podman", "--runtime=runc", *arguments),
        check=True,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if capture else None,
        env={**os.environ, "CONTAINERS_CONF": os.fspath(_containers_conf())},
    )
    return done.stdout or ""


def need(program: str) -> None:
    if not shutil.which(program):
        raise BuildError(f"{program} is missing: apt-get install {program}")


def report(image: Image, seconds: float) -> None:
    unpacked, compressed = image.archive.stat().st_size, _compressed(image.archive)
    print(f"{image.tag} in {seconds:.0f} s")
    print(f"  {unpacked / MEBIBYTE:.1f} MiB unpacked, {compressed / MEBIBYTE:.1f} MiB to pull")
    print("  largest directories:")
    for name, size in _directories(image.archive).most_common(12):
        print(f"  {size / MEBIBYTE:7.1f} MiB  {name}")
    print("  largest packages, before trimming:")
    query = (
        "--entrypoint=/usr/bin/dpkg-query",
        image.tag,
        "-Wf",
        "${Installed-Size} ${Package}\\n",
    )
    listing = podman("run", "--rm", "--network=none", *query, capture=True)
    sizes = [line.split() for line in listing.splitlines() if len(line.split()) == 2]
    for kibibytes, name in sorted(sizes, key=lambda pair: -int(pair[0]))[:12]:
        print(f"  {int(kibibytes) / 1024:7.1f} MiB  {name}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Build one of Hatchway's images.")
    parser.add_argument("image", nargs="?", choices=IMAGES, default=ADMIN.name)
    parser.add_argument("--base", default="", help="a public base image instead of one made here")
    parser.add_argument("--suite", default="trixie", help="Debian suite of the base made here")
    parser.add_argument("--force", action="store_true", help="build although nothing has changed")
    return parser.parse_args(arguments)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One build at a time: two test runs may ask for the image at once."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _image_id(tag: str) -> str:
    return podman(
        "images", "--quiet", "--no-trunc", f"--filter=reference={tag}", capture=True
    ).strip()


def _forget(image: str) -> None:
    """Remove the image that the new one replaced, unless a container still needs it."""
    with contextlib.suppress(subprocess.CalledProcessError):
        podman("image", "rm", image, capture=True)


def _built(image: Image, stamp: str) -> bool:
    if not image.archive.exists() or not image.stamp.exists() or image.stamp.read_text() != stamp:
        return False
    if not shutil.which("podman"):
        return True
    try:
        podman("image", "exists", image.tag)
    except subprocess.CalledProcessError:
        print(f"{image.tag}: loading what was built before")
        podman("load", f"--input={image.archive}")
    return True


def _debian(suite: str) -> str:
    """A minimal Debian as a podman image, made once for each suite."""
    base, tar = f"localhost/hatchway-base:{suite}", CACHE / "base" / f"{suite}.tar"
    if not tar.exists():
        need("mmdebstrap")
        if suite == "trixie" and not Path(TRIXIE_KEY).exists():
            raise BuildError(
                "apt-get install debian-archive-keyring: this one cannot verify trixie"
            )
        tar.parent.mkdir(parents=True, exist_ok=True)
        keys = f"--keyring={KEYRING}"
        _run("mmdebstrap", "--variant=minbase", "--format=tar", keys, suite, f"{tar}.new", MIRROR)
        Path(f"{tar}.new").rename(tar)
    # Imported each time: the image of that name might be of another day's archive.
    podman("import", "--quiet", os.fspath(tar), base)
    return base


def _save(image: Image) -> None:
    image.archive.parent.mkdir(parents=True, exist_ok=True)
    image.stamp.unlink(missing_ok=True)
    fresh = image.archive.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    # docker-archive: `docker load`, `podman load` and `ctr images import` of every age take it.
    podman("save", "--quiet", "--format=docker-archive", f"--output={fresh}", image.tag)
    fresh.rename(image.archive)


def _context(image: Image) -> Path:
    """Only what the Containerfile names: the project's directory holds gigabytes of caches."""
    place = CACHE / "context" / image.name
    shutil.rmtree(place, ignore_errors=True)
    for path in image.sources():
        target = place / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    return place


def _containers_conf() -> Path:
    """Ask for no more than this process may have, and for no systemd."""
    path = CACHE / "containers.conf"
    limits = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    words = [f'"{name}={_limit(kind)}:{_limit(kind)}"' for name, kind in limits.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"[containers]\ndefault_ulimits = [{', '.join(words)}]\n"
        '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nruntime = "runc"\n'
    )
    return path


def _limit(kind: int) -> int:
    hard = resource.getrlimit(kind)[1]
    return 32768 if hard == resource.RLIM_INFINITY else min(hard, 32768)


def _compressed(archive: Path) -> int:
    with tempfile.TemporaryFile() as sink:
        with (
            archive.open("rb") as source,
            gzip.GzipFile(fileobj=sink, mode="wb", compresslevel=GZIP_LEVEL) as out,
        ):
            shutil.copyfileobj(source, out, MEBIBYTE)
        return sink.tell()


def _directories(archive: Path) -> Counter[str]:
    sizes: Counter[str] = Counter()
    for name, size in _files(archive):
        sizes["/" + "/".join(name.split("/")[:3][: name.count("/")])] += size
    return sizes


def _files(archive: Path) -> Iterator[tuple[str, int]]:
    with tarfile.open(archive) as outer:
        for layer in outer:
            if (
                layer.isfile()
                and layer.name.endswith(".tar")
                and (stream := outer.extractfile(layer))
            ):
                with tarfile.open(fileobj=stream, mode="r|*") as inner:
                    yield from ((member.name, member.size) for member in inner if member.isfile())


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
