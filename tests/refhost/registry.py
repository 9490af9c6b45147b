# SPDX-License-Identifier: Apache-2.0
"""A registry on loopback that has the admin image, as the reference host reaches it.

What was pushed stays in the cache, so that only the first run after a change of the image waits
for its layers to be packed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING, Final

from tests.launcher.real_registry import free_port, wait_for_port
from tools import build_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CACHE: Final = build_image.CACHE / "registry"
# This machine, as QEMU's user network shows it to the host.
GATEWAY: Final = "10.0.2.2"
_IMAGES: Final = "images"
_PUSHED: Final = "pushed"


@dataclasses.dataclass(frozen=True, slots=True)
class Registry:
    """A registry that runs, with the admin image in it."""

    port: int

    @property
    def name(self) -> str:
        """Its name on the reference host."""
        return f"{GATEWAY}:{self.port}"

    @property
    def image(self) -> str:
        """The admin image as the reference host pulls it."""
        return f"{self.name}/{_repository()}"

    def settings(self) -> bytes:
        """The launcher's settings that lead to it: a config.toml."""
        # An emulated host on a busy machine may need longer than the two minutes of a real one.
        return (
            f'[registries."{self.name}"]\nplain-http = true\n\n'
            f'[host-containers.admin]\nsource = "{self.image}"\n'
            "timeout = 200.0\n"
        ).encode()


@contextlib.contextmanager
def registry(*, port: int = 0) -> Iterator[Registry]:
    """Run the registry on `port` or a free one; the admin image must have been built."""
    identity = _image_id()
    directory = CACHE / identity
    directory.mkdir(parents=True, exist_ok=True)
    running = Registry(port or free_port())
    with _serve(directory, running.port):
        with _locked(CACHE / "lock"):
            if not (directory / _PUSHED).exists():
                _push(identity, running.port)
                (directory / _PUSHED).touch()
                _forget_others(directory)
        yield running


@contextlib.contextmanager
def _serve(directory: Path, port: int) -> Iterator[None]:
    config = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": os.fspath(directory / _IMAGES)}},
        "http": {"addr": f"127.0.0.1:{port}", "secret": "of no importance"},
    }
    settings, log = (directory / f"{port}.{kind}" for kind in ("json", "log"))
    settings.write_text(json.dumps(config))  # JSON is YAML
    # Ends with the thread that started it: whoever is killed leaves no registry behind. In a
    # session of its own, so that ctrl-C reaches it through us, when nobody needs it any more.
    argv = ["setpriv", "--pdeathsig", "KILL", "docker-registry", "serve", os.fspath(settings)]
    with log.open("wb") as sink:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
        )
    try:
        wait_for_port(port)
        yield
    finally:
        child.terminate()
        child.wait(10)
        for path in (settings, log):
            path.unlink(missing_ok=True)


def _push(identity: str, port: int) -> None:
    """Layers become gzip, which is what every containerd unpacks."""
    target = f"docker://127.0.0.1:{port}/{_repository()}"
    # The archive is what counts: podman may hold another build under the same name by now.
    build_image.podman("load", "--quiet", f"--input={build_image.ARCHIVE}", capture=True)
    flags = ("--quiet", "--tls-verify=false", "--compression-format=gzip")
    build_image.podman("push", *flags, identity, target, capture=True)


def _repository() -> str:
    return f"hatchway-admin:{build_image.version()}"


def _image_id() -> str:
    """Give the id of the image that was built last: docker's archives name its configuration."""
    with tarfile.open(build_image.ARCHIVE) as archive:
        member = archive.extractfile("manifest.json")
        assert member is not None
        (image,) = json.load(member)
    return str(image["Config"]).removesuffix(".json")


def _forget_others(kept: Path) -> None:
    for path in CACHE.iterdir():
        if path.is_dir() and path != kept:
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
