# SPDX-License-Identifier: Apache-2.0
"""A bundle for support: beside Debian's sosreport, with the plugins that collect the same."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import contest, programs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.contest import Attempt, Line

# What has a topic among our recipes. Those that the host cannot use, sos leaves out by itself.
PLUGINS: Final = (
    *("kernel", "host", "process", "memory", "processor", "pci"),  # kernel
    *("systemd", "services", "logs"),  # boot, units, journal
    *("block", "filesys", "devices", "lvm2", "multipath", "md"),  # disks
    *("networking", "networkmanager", "firewalld", "ntp", "chrony", "dns"),  # network
    *("cgroups", "docker", "podman", "containers_common", "cri", "kubernetes"),
)
_NAME: Final = "a support bundle"


def measure(*, rounds: int, sizes: dict[str, float]) -> Iterator[Line]:
    """Times as lines; the bundles' sizes in MiB go into `sizes`."""
    if not shutil.which("sosreport"):
        raise RuntimeError("no sosreport on PATH")
    with tempfile.TemporaryDirectory() as place:
        contenders = {"sosreport": _sosreport(Path(place), sizes)}
        for name, program in programs.found().items():
            contenders[name] = _hatchway(program, name, Path(place), sizes)
        yield from contest.hold(_NAME, contenders, rounds=rounds)


def _sosreport(place: Path, sizes: dict[str, float]) -> Attempt:
    argv = ("sosreport", "--batch", "--quiet", "--tmp-dir", str(place))
    # Plugins that this version does not have, it refuses.
    listed = contest.run("sosreport", "--list-plugins", env=programs.environment()).split()
    chosen = ",".join(plugin for plugin in PLUGINS if plugin in listed)

    def attempt() -> float:
        start = time.monotonic()
        contest.run(*argv, "--only-plugins", chosen, env=programs.environment())
        seconds = time.monotonic() - start
        for path in place.glob("sosreport-*.tar.*"):
            if path.suffix not in (".md5", ".sha256"):
                sizes["bundle for support, sosreport"] = path.stat().st_size / (1 << 20)
            path.unlink()
        return seconds

    return attempt


def _hatchway(program: str, name: str, place: Path, sizes: dict[str, float]) -> Attempt:
    def attempt() -> float:
        path = place / "hatchway.tar.zst"
        start = time.monotonic()
        contest.run(program, "toolbox", "collect", str(path), "--quiet", env=programs.environment())
        seconds = time.monotonic() - start
        sizes[f"bundle for support, {name}"] = path.stat().st_size / (1 << 20)
        path.unlink()
        return seconds

    return attempt
